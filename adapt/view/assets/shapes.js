// Triangles of MuJoCo's geoms: positions, normals (three numbers per corner) and indices (three per triangle).
"use strict";

const shapes = {
  // `fine`: segments around.
  of(geom, meshes, fine) {
    const [a, b, c] = geom.size;
    switch (geom.type) {
      case "sphere": return shapes.ellipsoid(a, a, a, fine);
      case "ellipsoid": return shapes.ellipsoid(a, b, c, fine);
      case "capsule": return shapes.revolved(shapes.capsuleOutline(a, b, fine), fine);
      case "cylinder": return shapes.revolved([[0, b, 0, 1], [a, b, 0, 1], [a, b, 1, 0], [a, -b, 1, 0],
        [a, -b, 0, -1], [0, -b, 0, -1]], fine);
      case "box": return shapes.box(a, b, c);
      case "mesh": return shapes.mesh(meshes[geom.mesh]);
      default: throw new Error(`no shape for a ${geom.type}`);
    }
  },

  // An outline of [radius, z, normal's radius, normal's z] from the top down, turned about z.
  revolved(outline, segments) {
    const shape = { positions: [], normals: [], indices: [] };
    outline.forEach(([r, z, nr, nz], ring) => {
      for (let s = 0; s <= segments; s++) {
        const [cos, sin] = [Math.cos((2 * Math.PI * s) / segments), Math.sin((2 * Math.PI * s) / segments)];
        shape.positions.push(r * cos, r * sin, z);
        shape.normals.push(nr * cos, nr * sin, nz);
        if (ring === 0 || s === segments) continue;
        const [above, below] = [(ring - 1) * (segments + 1) + s, ring * (segments + 1) + s];
        if (outline[ring - 1][0] > 0) shape.indices.push(above, below, above + 1);
        if (r > 0) shape.indices.push(above + 1, below, below + 1);
      }
    });
    return shape;
  },

  arc(radius, from, to, steps, shift) {
    return Array.from({ length: steps + 1 }, (_, i) => {
      const angle = from + ((to - from) * i) / steps;
      const [r, z] = [Math.abs(Math.sin(angle)) < 1e-9 ? 0 : Math.sin(angle), Math.cos(angle)];
      return [radius * r, radius * z + shift, r, z];
    });
  },

  capsuleOutline(radius, half, fine) {
    const steps = Math.max(3, Math.round(fine / 4));
    return [...shapes.arc(radius, 0, Math.PI / 2, steps, half), ...shapes.arc(radius, Math.PI / 2, Math.PI, steps, -half)];
  },

  ellipsoid(a, b, c, fine) {
    const ball = shapes.revolved(shapes.arc(1, 0, Math.PI, Math.max(4, fine >> 1), 0), fine);
    const size = [a, b, c];
    for (let i = 0; i < ball.normals.length; i += 3) {
      const normal = algebra.unit([0, 1, 2].map((k) => ball.normals[i + k] / size[k]));
      normal.forEach((x, k) => { ball.normals[i + k] = x; });
    }
    return { ...ball, positions: ball.positions.map((x, i) => x * size[i % 3]) };
  },

  box(...size) {
    const shape = { positions: [], normals: [], indices: [] };
    for (const axis of [0, 1, 2]) {
      for (const side of [-1, 1]) {
        const first = shape.positions.length / 3;
        for (const [u, v] of [[-1, -1], [1, -1], [1, 1], [-1, 1]]) {
          const corner = [0, 0, 0];
          [corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3]] = [side, u * side, v];
          shape.positions.push(...corner.map((x, i) => x * size[i]));
          shape.normals.push(...[0, 1, 2].map((i) => (i === axis ? side : 0)));
        }
        shape.indices.push(first, first + 1, first + 2, first, first + 2, first + 3);
      }
    }
    return shape;
  },

  // Each face has its own corners: edges stay sharp.
  mesh({ vertices, faces }) {
    const shape = { positions: [], normals: [], indices: [] };
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [0, 1, 2].map((k) => vertices.slice(3 * faces[f + k], 3 * faces[f + k] + 3));
      const normal = algebra.unit(algebra.cross(algebra.subtract(b, a), algebra.subtract(c, a)));
      shape.positions.push(...a, ...b, ...c);
      shape.normals.push(...normal, ...normal, ...normal);
      shape.indices.push(f, f + 1, f + 2);
    }
    return shape;
  },
};
