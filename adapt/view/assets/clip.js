// What was recorded of one task, and where everything was at any moment of it.
"use strict";

class Clip {
  constructor(task, content) {
    Object.assign(this, task);
    this.content = content;
    this.tilt = algebra.fromPose([0, 0, 0], algebra.between(task.up, [0, 0, 1]));
    this.geoms = content.geoms.map((geom, index) => ({ ...geom, ...task.geoms[index] }));
    this.matrices = this.geoms.map(({ pos, quat }) => algebra.fromPose(pos, quat));
    this.slots = new Map(content.moving.map((body, slot) => [body, slot]));
  }

  // The frames on both sides of a time, and how far between them it is; never across a new episode.
  between(time) {
    const at = Math.min(Math.max(time / this.content.period, 0), this.content.frames - 1);
    const from = Math.floor(at);
    const to = Math.min(from + 1, this.content.frames - 1);
    return { from, to, share: this.episode[from] === this.episode[to] ? at - from : 0 };
  }

  // Matrices of all bodies that are drawn, by index, in the world with gravity straight down.
  bodies(time) {
    const now = this.between(time);
    const found = new Map();
    for (const { body } of this.geoms) {
      if (found.has(body)) continue;
      const slot = this.slots.get(body);
      const pose = slot === undefined ? this.content.rest[body] : this._pose(7 * slot, now);
      found.set(body, algebra.multiply(this.tilt, algebra.fromPose(pose.slice(0, 3), pose.slice(3))));
    }
    return found;
  }

  _pose(start, { from, to, share }) {
    const [a, b] = [from, to].map((frame) => this.poses[frame].slice(start, start + 7));
    return [...algebra.mix(a.slice(0, 3), b.slice(0, 3), share), ...algebra.turn(a.slice(3), b.slice(3), share)];
  }

  // What the camera looks at. `still`: where it looked at first.
  lookAt(time, still) {
    const { from, to, share } = this.between(still ? 0 : time);
    return algebra.transform(this.tilt, algebra.mix(this.look_at[from], this.look_at[to], share));
  }

  // Where the mark of the target is; null without one.
  mark(time) {
    const place = this.target[this.between(time).from];
    return place ? algebra.multiply(this.tilt, algebra.fromPose(place, [1, 0, 0, 0])) : null;
  }

  // The parameters that hold at a time, and whether they are others than at first.
  piece(time) {
    const { from } = this.between(time);
    return this.pieces.reduce((newest, piece) => (piece.frame <= from ? piece : newest), this.pieces[0]);
  }
}
