// Draws a view with WebGL: one hidden canvas for all panels, each copied from it. Throws where there is no WebGL 2.
"use strict";

class Stage {
  constructor() {
    this.name = "webgl";
    this.fine = 28;
    this.canvas = document.createElement("canvas");
    this.gl = this.canvas.getContext("webgl2", { antialias: true, alpha: true });
    if (!this.gl) throw new Error("no WebGL 2");
    this.programs = Object.fromEntries(Object.entries(shaders).map(([name, code]) => [name, this._program(...code)]));
    this.shadow = this._shadow(1024);
    this.buffers = new Map();
    this.plane = this._upload({ positions: [-1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 1, 0], normals: [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1],
      indices: [0, 1, 2, 0, 2, 3] });
    this.gl.enable(this.gl.DEPTH_TEST);
    this.gl.blendFunc(this.gl.ONE, this.gl.ONE_MINUS_SRC_ALPHA);
  }

  // `view`: eye, sun, projection, middle, radius, bodies [{ key, shape, matrix, colour }], planes [{ matrix, size }].
  draw(brush, view) {
    const { width, height } = brush.canvas;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this._light(view);
    this._castShadows(view);
    this._paint(view, width, height);
    brush.clearRect(0, 0, width, height);
    brush.drawImage(this.canvas, 0, 0);
  }

  _light({ middle, radius, sun }) {
    const from = algebra.add(middle, algebra.scale(sun, 4 * radius));
    const look = algebra.lookAt(from, middle, [0, 1, 0]);
    this.lightProjection = algebra.multiply(algebra.orthographic(1.7 * radius, 0.5 * radius, 8 * radius), look);
  }

  _castShadows(view) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.shadow.frame);
    gl.viewport(0, 0, this.shadow.size, this.shadow.size);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    const use = this._use("depth", { light_projection: this.lightProjection });
    for (const body of view.bodies) if (body.colour[3] > 0.5) this._put(use, this._buffer(body), body.matrix);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  _paint(view, width, height) {
    const { gl } = this;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const common = { view_projection: view.projection, light_projection: this.lightProjection, eye: view.eye, sun: view.sun };
    const solid = view.bodies.filter((body) => body.colour[3] >= 0.99);
    const clear = view.bodies.filter((body) => body.colour[3] < 0.99);
    this._bodies(common, solid);
    gl.enable(gl.BLEND);
    const ground = this._use("ground", { ...common, middle: view.middle, cell: view.cell, reach: view.reach });
    for (const { matrix, size } of view.planes) {
      gl.uniformMatrix4fv(ground.places.to_plane, false, this._rigidInverse(matrix));
      this._put(ground, this.plane, algebra.multiply(matrix, this._stretch(size, view, matrix)));
    }
    this._bodies(common, clear);
    gl.disable(gl.BLEND);
  }

  _bodies(common, bodies) {
    const use = this._use("body", common);
    for (const body of bodies) {
      this.gl.uniform4fv(use.places.colour, body.colour);
      this._put(use, this._buffer(body), body.matrix);
    }
  }

  // A plane without end reaches as far as can be seen from the middle; in its own frame.
  _stretch([x, y], { middle, reach }, matrix) {
    const [u, v] = algebra.transform(this._rigidInverse(matrix), middle);
    const endless = !(x > 0 && x < reach && y > 0 && y < reach);
    const [a, b, right, front] = endless ? [u, v, reach, reach] : [0, 0, x, y];
    return new Float32Array([right, 0, 0, 0, 0, front, 0, 0, 0, 0, 1, 0, a, b, 0, 1]);
  }

  _rigidInverse(m) {
    const turned = [m[0], m[4], m[8], 0, m[1], m[5], m[9], 0, m[2], m[6], m[10], 0];
    const back = [0, 1, 2].map((i) => -(m[4 * i] * m[12] + m[4 * i + 1] * m[13] + m[4 * i + 2] * m[14]));
    return new Float32Array([...turned, ...back, 1]);
  }

  _put(use, buffer, matrix) {
    const { gl } = this;
    gl.uniformMatrix4fv(use.places.model, false, matrix);
    gl.bindVertexArray(buffer.array);
    gl.drawElements(gl.TRIANGLES, buffer.count, gl.UNSIGNED_INT, 0);
  }

  _use(name, values) {
    const { gl } = this;
    const use = this.programs[name];
    gl.useProgram(use.program);
    if (use.places.depth_map) gl.uniform1i(use.places.depth_map, 0);
    for (const [key, value] of Object.entries(values)) {
      const place = use.places[key];
      if (!place) continue;
      if (typeof value === "number") gl.uniform1f(place, value);
      else if (value.length === 16) gl.uniformMatrix4fv(place, false, value);
      else gl.uniform3fv(place, value);
    }
    return use;
  }

  _buffer({ key, shape }) {
    if (!this.buffers.has(key)) this.buffers.set(key, this._upload(shape));
    return this.buffers.get(key);
  }

  _upload({ positions, normals, indices }) {
    const { gl } = this;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    [positions, normals].forEach((numbers, place) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(numbers), gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    });
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint32Array(indices), gl.STATIC_DRAW);
    return { array, count: indices.length };
  }

  _program(vertex, fragment) {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, code] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, code);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "position");
    gl.bindAttribLocation(program, 1, "normal");
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const words = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`shader: ${words.join(" ")} ${gl.getProgramInfoLog(program)}`);
    }
    const places = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name } = gl.getActiveUniform(program, i);
      places[name] = gl.getUniformLocation(program, name);
    }
    return { program, places };
  }

  _shadow(size) {
    const { gl } = this;
    const map = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, map);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, size, size);
    for (const [what, value] of [[gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE], [gl.TEXTURE_COMPARE_FUNC, gl.LEQUAL],
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) gl.texParameteri(gl.TEXTURE_2D, what, value);
    const frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, map, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return { frame, map, size };
  }
}
