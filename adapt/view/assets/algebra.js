// Matrices (4 by 4, column after column), quaternions (w x y z) and vectors, as plain arrays.
"use strict";

const algebra = {
  add: (a, b) => a.map((x, i) => x + b[i]),
  subtract: (a, b) => a.map((x, i) => x - b[i]),
  scale: (a, s) => a.map((x) => x * s),
  dot: (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2],
  cross: (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]],
  unit: (a) => algebra.scale(a, 1 / (Math.hypot(...a) || 1)),
  mix: (a, b, share) => a.map((x, i) => x + share * (b[i] - x)),

  multiply(a, b) {
    const out = new Float32Array(16);
    for (let column = 0; column < 4; column++) {
      for (let row = 0; row < 4; row++) {
        let sum = 0;
        for (let k = 0; k < 4; k++) sum += a[k * 4 + row] * b[column * 4 + k];
        out[column * 4 + row] = sum;
      }
    }
    return out;
  },

  // A point moved by a matrix; `w` 0 for a direction.
  transform(m, [x, y, z], w = 1) {
    return [0, 1, 2].map((i) => m[i] * x + m[4 + i] * y + m[8 + i] * z + m[12 + i] * w);
  },

  fromPose([x, y, z], [w, i, j, k]) {
    return new Float32Array([
      1 - 2 * (j * j + k * k), 2 * (i * j + w * k), 2 * (i * k - w * j), 0,
      2 * (i * j - w * k), 1 - 2 * (i * i + k * k), 2 * (j * k + w * i), 0,
      2 * (i * k + w * j), 2 * (j * k - w * i), 1 - 2 * (i * i + j * j), 0,
      x, y, z, 1,
    ]);
  },

  // The shortest turn that brings one unit vector onto another.
  between(from, to) {
    const w = 1 + algebra.dot(from, to);
    if (w < 1e-6) return [0, 1, 0, 0];
    const q = [w, ...algebra.cross(from, to)];
    return algebra.scale(q, 1 / Math.hypot(...q));
  },

  // Between two orientations, the shorter way round.
  turn(a, b, share) {
    const sign = a.reduce((sum, x, i) => sum + x * b[i], 0) < 0 ? -1 : 1;
    const q = a.map((x, i) => (1 - share) * x + share * sign * b[i]);
    return algebra.scale(q, 1 / (Math.hypot(...q) || 1));
  },

  perspective(degrees, aspect, near, far) {
    const f = 1 / Math.tan((degrees * Math.PI) / 360);
    const depth = near - far;
    return new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (near + far) / depth, -1,
      0, 0, (2 * near * far) / depth, 0]);
  },

  orthographic(half, near, far) {
    const depth = near - far;
    return new Float32Array([1 / half, 0, 0, 0, 0, 1 / half, 0, 0, 0, 0, 2 / depth, 0, 0, 0, (near + far) / depth, 1]);
  },

  lookAt(eye, target, up) {
    const back = algebra.unit(algebra.subtract(eye, target));
    const right = algebra.unit(algebra.cross(up, back));
    const top = algebra.cross(back, right);
    return new Float32Array([
      right[0], top[0], back[0], 0, right[1], top[1], back[1], 0, right[2], top[2], back[2], 0,
      -algebra.dot(right, eye), -algebra.dot(top, eye), -algebra.dot(back, eye), 1,
    ]);
  },
};
