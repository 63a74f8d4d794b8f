// What the graphics card runs: bodies, the ground with its grid, and the depth map that shadows come from.
"use strict";

const shaders = (() => {
  const SHADOW = `
    uniform highp sampler2DShadow depth_map;
    float lit(vec4 at) {
      vec3 p = at.xyz / at.w * 0.5 + 0.5;
      if (any(lessThan(p, vec3(0.0))) || any(greaterThan(p, vec3(1.0)))) return 1.0;
      float sum = 0.0;
      vec2 texel = 1.6 / vec2(textureSize(depth_map, 0));
      for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
          sum += texture(depth_map, vec3(p.xy + vec2(i, j) * texel, p.z - 0.0018));
      return sum / 9.0;
    }`;

  const BODY_VERTEX = `#version 300 es
    in vec3 position; in vec3 normal;
    uniform mat4 model, view_projection, light_projection;
    out vec3 at, facing; out vec4 in_light;
    void main() {
      vec4 world = model * vec4(position, 1.0);
      at = world.xyz;
      facing = mat3(model) * normal;
      in_light = light_projection * world;
      gl_Position = view_projection * world;
    }`;

  const BODY_FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 at, facing; in vec4 in_light;
    uniform vec4 colour; uniform vec3 eye, sun;
    out vec4 pixel;
    ${SHADOW}
    void main() {
      vec3 n = normalize(facing), towards = normalize(eye - at);
      if (dot(n, towards) < 0.0) n = -n;
      float direct = max(dot(n, sun), 0.0) * lit(in_light);
      vec3 sky = mix(vec3(0.42, 0.40, 0.40), vec3(0.80, 0.86, 0.94), 0.5 + 0.5 * n.z);
      vec3 base = pow(colour.rgb, vec3(2.2));
      float rim = pow(1.0 - max(dot(n, towards), 0.0), 3.0);
      float shine = pow(max(dot(n, normalize(sun + towards)), 0.0), 38.0) * direct;
      vec3 light = base * (0.62 * sky + 0.82 * direct * vec3(1.0, 0.97, 0.92)) + 0.12 * shine + 0.05 * rim * sky;
      pixel = vec4(pow(light, vec3(1.0 / 2.2)), 1.0) * colour.a;
    }`;

  const GROUND_FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 at, facing; in vec4 in_light;
    uniform vec3 eye, middle; uniform float cell, reach; uniform mat4 to_plane;
    out vec4 pixel;
    ${SHADOW}
    float line(vec2 p, float width) {
      vec2 grid = abs(fract(p - 0.5) - 0.5), soft = fwidth(p);
      vec2 on = 1.0 - smoothstep(soft * width, soft * (width + 1.0), grid);
      return max(on.x, on.y) * (1.0 - smoothstep(0.25, 0.6, max(soft.x, soft.y)));
    }
    void main() {
      vec2 place = (to_plane * vec4(at, 1.0)).xy / cell;
      float lines = max(0.55 * line(place, 0.3), line(place / 5.0, 0.55));
      vec3 paper = mix(vec3(0.925, 0.940, 0.953), vec3(0.74, 0.78, 0.82), lines);
      float fade = 1.0 - smoothstep(0.30, 1.0, length(at - middle) / reach);
      float shade = mix(0.66, 1.0, lit(in_light));
      float alpha = fade * (dot(eye - at, facing) > 0.0 ? 1.0 : 0.35);
      pixel = vec4(paper * mix(vec3(0.90, 0.94, 1.0), vec3(1.0), shade) * shade, 1.0) * alpha;
    }`;

  const DEPTH_VERTEX = `#version 300 es
    in vec3 position; uniform mat4 model, light_projection;
    void main() { gl_Position = light_projection * model * vec4(position, 1.0); }`;

  const DEPTH_FRAGMENT = `#version 300 es
    precision mediump float;
    void main() {}`;

  return {
    body: [BODY_VERTEX, BODY_FRAGMENT],
    ground: [BODY_VERTEX, GROUND_FRAGMENT],
    depth: [DEPTH_VERTEX, DEPTH_FRAGMENT],
  };
})();
