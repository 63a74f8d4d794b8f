// One direction and distance of view for all pictures, moved with the mouse, a finger or the wheel.
"use strict";

class Orbit {
  constructor(camera, changed) {
    this.camera = camera;
    this.changed = changed;
    this.home();
  }

  home() {
    [this.azimuth, this.elevation, this.zoom] = [this.camera.azimuth, this.camera.elevation, 1];
    this.changed();
  }

  nearer(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.15), 8);
    this.changed();
  }

  // Where the eye is, from what it looks at, in m. Angles as MuJoCo's free camera has them.
  eye(target, aspect) {
    const distance = (this.camera.distance * Math.max(1, 4 / 3 / aspect)) / this.zoom;
    const [a, e] = [this.azimuth, this.elevation].map((degrees) => (degrees * Math.PI) / 180);
    const forward = [Math.cos(a) * Math.cos(e), Math.sin(a) * Math.cos(e), Math.sin(e)];
    return algebra.subtract(target, algebra.scale(forward, distance));
  }

  listen(canvas) {
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.azimuth -= 0.4 * (event.clientX - last[0]);
      this.elevation = Math.min(Math.max(this.elevation - 0.4 * (event.clientY - last[1]), -89), 30);
      last = [event.clientX, event.clientY];
      this.changed();
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return;  // the page's own scrolling
      event.preventDefault();
      this.nearer(Math.exp(-0.0016 * event.deltaY * (event.ctrlKey ? 4 : 1)));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.home());
  }
}
