// Draws a view on a plain canvas, far triangles first: for browsers without WebGL.
"use strict";

class Painter {
  constructor() {
    this.name = "canvas";
    this.fine = 12;
  }

  // `view` as for `Stage.draw`.
  draw(brush, view) {
    const { width, height } = brush.canvas;
    brush.clearRect(0, 0, width, height);
    const place = (point) => this._place(view.projection, point, width, height);
    view.planes.forEach(({ matrix, size }) => this._grid(brush, view, matrix, size, place));
    const triangles = view.bodies.flatMap((body) => this._triangles(body, view, place));
    triangles.sort((a, b) => b.depth - a.depth);
    brush.lineWidth = 1;
    brush.lineJoin = "round";
    for (const { corners, colour } of triangles) {
      brush.beginPath();
      corners.forEach(([x, y], i) => (i ? brush.lineTo(x, y) : brush.moveTo(x, y)));
      brush.closePath();
      brush.fillStyle = brush.strokeStyle = colour;
      brush.fill();
      brush.stroke();  // hides the seam to the neighbour
    }
  }

  // On the canvas in px, with the depth; null behind the eye.
  _place(projection, point, width, height) {
    const clip = [0, 1, 3].map((i) => projection[i] * point[0] + projection[4 + i] * point[1] + projection[8 + i] * point[2]
      + projection[12 + i]);
    const depth = clip[2];
    return depth < 1e-3 ? null : [(0.5 + clip[0] / depth / 2) * width, (0.5 - clip[1] / depth / 2) * height, depth];
  }

  _triangles({ shape, matrix, colour }, { eye, sun }, place) {
    const { positions, normals, indices } = shape;
    const world = [];
    for (let i = 0; i < positions.length; i += 3) world.push(algebra.transform(matrix, positions.slice(i, i + 3)));
    const placed = world.map(place);
    const shown = [];
    for (let i = 0; i < indices.length; i += 3) {
      const corners = [0, 1, 2].map((k) => placed[indices[i + k]]);
      if (corners.some((corner) => corner === null)) continue;
      const normal = this._normal(normals, indices, i, matrix);
      if (algebra.dot(normal, algebra.subtract(eye, world[indices[i]])) <= 0) continue;
      const depth = (corners[0][2] + corners[1][2] + corners[2][2]) / 3;
      shown.push({ corners, depth, colour: this._shade(colour, Math.max(algebra.dot(normal, sun), 0), normal[2]) });
    }
    return shown;
  }

  _normal(normals, indices, i, matrix) {
    const sum = [0, 0, 0];
    for (const k of [0, 1, 2]) for (const axis of [0, 1, 2]) sum[axis] += normals[3 * indices[i + k] + axis];
    return algebra.unit(algebra.transform(matrix, sum, 0));
  }

  _shade([red, green, blue, alpha], direct, upward) {
    const light = 0.62 + 0.12 * upward + 0.36 * direct;
    const bytes = [red, green, blue].map((x) => Math.round(255 * Math.min(x * light, 1)));
    return `rgba(${bytes.join()},${alpha})`;
  }

  _grid(brush, { middle, cell, reach, eye }, matrix, size, place) {
    const lines = 12;
    const span = lines * cell;
    const near = [0, 1].map((i) => Math.round(middle[i] / cell) * cell);
    brush.lineWidth = 1;
    for (let i = -lines; i <= lines; i++) {
      for (const axis of [0, 1]) {
        const at = near[axis] + i * cell;
        for (let j = -lines; j < lines; j++) {
          const ends = [j, j + 1].map((step) => {
            const point = axis ? [near[0] + step * cell, at, 0] : [at, near[1] + step * cell, 0];
            return algebra.transform(matrix, point);
          });
          const fade = 1 - Math.hypot(...algebra.subtract(ends[0], middle)) / Math.min(span, reach);
          const [from, to] = ends.map(place);
          if (!from || !to || fade <= 0) continue;
          brush.strokeStyle = `rgba(150,162,175,${0.8 * fade})`;
          brush.beginPath();
          brush.moveTo(from[0], from[1]);
          brush.lineTo(to[0], to[1]);
          brush.stroke();
        }
      }
    }
  }
}
