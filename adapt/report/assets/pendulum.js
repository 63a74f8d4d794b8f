// Draws the true pendulum, and a ghost of it where the encoder says it is. Angles in rad, 0 hanging.
"use strict";

class PendulumView {
  constructor(canvas, colours, largest) {
    this.canvas = canvas;
    this.colours = colours;
    this.largest = largest;
    this.brush = canvas.getContext("2d");
  }

  // Draws one instant. `scene`: angle, measured, corrected, mass, believedMass, distance, torque (share of the
  // limit), trail (angles, oldest first). Any but the angle may be null.
  draw(scene) {
    this._fit();
    this.brush.clearRect(0, 0, this.size, this.size);
    this.reach = this.size * 0.36 * (this._share(scene.distance, this.largest.payload_distance) ?? 1);
    this._ring();
    this._trail(scene.trail);
    if (scene.measured !== null) this._ghost(scene);
    if (scene.corrected !== null) this._pointer(scene.corrected);
    this._rod(scene.angle, this.colours.slate, 5);
    this._payload(scene.angle, this._radius(scene.mass), this.colours.slate, true);
    this._torque(scene.torque);
    this._pivot();
  }

  _fit() {
    const ratio = window.devicePixelRatio || 1;
    this.size = this.canvas.clientWidth || 300;
    const pixels = Math.round(this.size * ratio);
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
    this.brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.centre = this.size / 2;
  }

  _share(value, largest) {
    return value && largest ? value / largest : null;
  }

  // Area in proportion to the mass; the heaviest robot's payload is a twelfth of the picture.
  _radius(mass) {
    return this.size * 0.083 * Math.sqrt(this._share(mass, this.largest.payload_mass) ?? 0.6);
  }

  _place(angle, reach) {
    return [this.centre + reach * Math.sin(angle), this.centre + reach * Math.cos(angle)];
  }

  _stroke(colour, width, dash = []) {
    this.brush.strokeStyle = colour;
    this.brush.lineWidth = width;
    this.brush.lineCap = "round";
    this.brush.setLineDash(dash);
    this.brush.stroke();
    this.brush.setLineDash([]);
  }

  _ring() {
    const { brush, centre } = this;
    brush.beginPath();
    brush.arc(centre, centre, this.size * 0.36, 0, 2 * Math.PI);
    this._stroke(this.colours.grid, 1.5);
    brush.beginPath();
    brush.moveTo(centre, centre);
    brush.lineTo(...this._place(Math.PI, this.size * 0.45));
    this._stroke(this.colours.grid, 1.5, [2, 5]);
    brush.font = `13px ${content.theme.layout.font.family}`;
    brush.fillStyle = this.colours.muted;
    brush.textAlign = "right";
    brush.fillText("upright", centre - this.size * 0.12, this.size * 0.07);
  }

  _trail(angles) {
    angles.forEach((angle, index) => {
      if (index === 0) return;
      this.brush.beginPath();
      this.brush.moveTo(...this._place(angles[index - 1], this.reach));
      this.brush.lineTo(...this._place(angle, this.reach));
      this._stroke(faded(this.colours.slate, 0.3 * (index / angles.length)), 3);
    });
  }

  _ghost(scene) {
    this._rod(scene.measured, this.colours.orange, 2, [6, 5]);
    const mass = scene.believedMass > 0 ? scene.believedMass : scene.mass;
    this._payload(scene.measured, this._radius(mass), this.colours.orange, false);
  }

  _rod(angle, colour, width, dash = []) {
    this.brush.beginPath();
    this.brush.moveTo(this.centre, this.centre);
    this.brush.lineTo(...this._place(angle, this.reach));
    this._stroke(colour, width, dash);
  }

  _payload(angle, radius, colour, filled) {
    this.brush.beginPath();
    this.brush.arc(...this._place(angle, this.reach), radius, 0, 2 * Math.PI);
    this.brush.fillStyle = filled ? colour : faded(colour, 0.12);
    this.brush.fill();
    this._stroke(colour, 2, filled ? [] : [6, 5]);
  }

  // A triangle outside the ring that points to where the belief puts the pendulum.
  _pointer(angle) {
    const [near, far] = [this.size * 0.452, this.size * 0.488];
    this.brush.beginPath();
    this.brush.moveTo(...this._place(angle, near));
    this.brush.lineTo(...this._place(angle - 0.045, far));
    this.brush.lineTo(...this._place(angle + 0.045, far));
    this.brush.closePath();
    this.brush.fillStyle = this.colours.blue;
    this.brush.fill();
  }

  // An arc about the pivot, in the sense of the torque; a third of a turn stands for the limit.
  _torque(share) {
    if (!share || Math.abs(share) < 0.01) return;
    const radius = this.size * 0.085;
    const sweep = (Math.sign(share) * Math.min(Math.abs(share), 1) * 2 * Math.PI) / 3;
    this.brush.beginPath();
    this.brush.arc(this.centre, this.centre, radius, Math.PI / 2, Math.PI / 2 - sweep, sweep > 0);
    this._stroke(this.colours.blue, 4);
    const tip = sweep + 0.28 * Math.sign(sweep);
    this.brush.beginPath();
    this.brush.moveTo(...this._place(tip, radius));
    this.brush.lineTo(...this._place(sweep, radius - 6));
    this.brush.lineTo(...this._place(sweep, radius + 6));
    this.brush.fillStyle = this.colours.blue;
    this.brush.fill();
  }

  _pivot() {
    this.brush.beginPath();
    this.brush.arc(this.centre, this.centre, this.size * 0.022, 0, 2 * Math.PI);
    this.brush.fillStyle = "#ffffff";
    this.brush.fill();
    this._stroke(this.colours.slate, 4);
  }
}
