// The robot as it moved, with the same painters as `adapt view`.
"use strict";

// One for all runs: browsers allow few.
const robotStage = (() => {
  let stage = null;
  return () => {
    if (stage) return stage;
    try {
      stage = new URLSearchParams(location.hash.slice(1)).get("renderer") === "canvas" ? new Painter() : new Stage();
    } catch (error) {
      stage = new Painter();
    }
    document.documentElement.dataset.renderer = stage.name;
    return stage;
  };
})();

class RobotView {
  constructor(canvas, run, changed) {
    const { motion } = run;
    const scene = content.scenes[run.robot];
    const still = Array(motion.frames).fill(0);
    const task = { up: [0, 0, 1], geoms: {}, poses: motion.poses, look_at: motion.look_at, episode: still, target: [], pieces: [] };
    this.canvas = canvas;
    this.motion = motion;
    this.brush = canvas.getContext("2d");
    this.clip = new Clip(task, { ...scene, moving: motion.moving, rest: motion.rest, period: motion.period, frames: motion.frames });
    this.shapes = this.clip.geoms.map((geom) => this._shape(geom, scene.meshes));
    this.radius = motion.camera.distance * Math.tan((motion.camera.field * Math.PI) / 360);
    this.orbit = new Orbit(motion.camera, changed);
    this.orbit.listen(canvas);
  }

  _shape(geom, meshes) {
    if (geom.type === "plane") return null;
    const key = [geom.type, ...geom.size, geom.mesh].join();
    return { key: `${key} ${geom.mesh === undefined ? "" : geom.name}`, shape: shapes.of(geom, meshes, robotStage().fine) };
  }

  draw(time) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((x) => Math.max(1, Math.round(x * ratio)));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    robotStage().draw(this.brush, this._view(Math.max(time - this.motion.begin, 0), width / height));
  }

  _view(time, aspect) {
    const { camera } = this.motion;
    const middle = this.clip.lookAt(time, false);
    const eye = this.orbit.eye(middle, aspect);
    const distance = Math.hypot(...algebra.subtract(eye, middle));
    const lens = algebra.perspective(camera.field, aspect, distance / 50, distance * 30);
    const turned = ((camera.azimuth - 90) * Math.PI) / 180;  // the light falls over the viewer's left shoulder
    const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
    const view = {
      eye, middle, sun: algebra.unit([-0.45 * cos + 0.6 * sin, -0.45 * sin - 0.6 * cos, 1]),
      projection: algebra.multiply(lens, algebra.lookAt(eye, middle, [0, 0, 1])),
      radius: 1.25 * this.radius, cell: 10 ** Math.round(Math.log10(this.radius / 1.5)), reach: 7 * this.radius, bodies: [], planes: [],
    };
    const bodies = this.clip.bodies(time);
    this.clip.geoms.forEach((geom, index) => {
      const matrix = algebra.multiply(bodies.get(geom.body), this.clip.matrices[index]);
      if (geom.type === "plane") view.planes.push({ matrix, size: geom.size });
      else view.bodies.push({ ...this.shapes[index], matrix, colour: geom.rgba });
    });
    return view;
  }
}
