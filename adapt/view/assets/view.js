// All panels on one clock: plays, scrubs, and draws those that can be seen.
"use strict";

(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const wanted = new URLSearchParams(location.hash.slice(1));
  const byId = (id) => document.getElementById(id);
  const length = content.period * (content.frames - 1);
  const colourOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
  const [HEAVY, LIGHT] = [content.colours.orange, content.colours.blue].map(colourOf);
  const [SLOW, COARSE] = [60, 0.6];
  const NEUTRAL = [0.80, 0.82, 0.85];
  const weighed = content.tasks.some((task) => Object.keys(task.masses).length);
  const heaviest = Math.max(0.05, ...content.tasks.flatMap((task) => Object.values(task.masses).map((r) => Math.abs(Math.log(r)))));
  const radius = content.camera.distance * Math.tan((content.camera.field * Math.PI) / 360);
  const cell = roundLength(radius / 1.5);

  const turned = ((content.camera.azimuth - 90) * Math.PI) / 180;  // the light falls over the viewer's left shoulder
  const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
  const sun = algebra.unit([-0.45 * cos + 0.6 * sin, -0.45 * sin - 0.6 * cos, 1]);

  const stage = makeStage();
  const known = new Map();
  const TARGET = [0.13, 0.62, 0.42];
  const MARK = shapeOf({ type: "sphere", size: [0.05 * radius] });
  const panels = content.tasks.map(makePanel);
  let moment = 0;
  let playing = null;
  let pending = 0;  // the animation frame that is asked for
  let quality = 1;  // of the pictures while they move, as a share of full resolution
  let pace = 0;  // mean time between pictures, in ms
  const orbit = new Orbit(content.camera, refresh);

  // The nearest of 1, 2 and 5 times a power of ten.
  function roundLength(x) {
    const power = 10 ** Math.floor(Math.log10(x));
    const off = (step) => Math.abs(Math.log(x / (step * power)));
    return [1, 2, 5, 10].reduce((best, step) => (off(step) < off(best) ? step : best)) * power;
  }

  function makeStage() {
    if (wanted.get("renderer") === "canvas") return new Painter();
    try {
      return new Stage();
    } catch (error) {
      document.documentElement.dataset.fallback = error.message;
      return new Painter();
    }
  }

  function shapeOf(geom) {
    const key = [geom.type, ...geom.size, geom.mesh].join();
    if (!known.has(key)) known.set(key, shapes.of(geom, content.meshes, stage.fine));
    return { key, shape: known.get(key) };
  }

  function makePanel(task, index) {
    const place = document.querySelector(`[data-task="${index}"]`);
    const canvas = place.querySelector("canvas");
    const clip = new Clip(task, content);
    const drawn = clip.geoms.map((geom) => (geom.type === "plane" ? null : shapeOf(geom)));
    const part = (name) => place.querySelector(name);
    return { place, canvas, clip, drawn, brush: canvas.getContext("2d"), piece: null, reward: part(".return b"),
      episode: part(".episode"), goal: part(".goal"), rows: [...place.querySelectorAll("[data-parameter]")] };
  }

  // ---- one picture

  function viewOf({ canvas, clip, drawn }) {
    const middle = clip.lookAt(moment, !byId("follow").checked);
    const aspect = canvas.width / canvas.height;
    const eye = orbit.eye(middle, aspect);
    const distance = Math.hypot(...algebra.subtract(eye, middle));
    const lens = algebra.perspective(content.camera.field, aspect, distance / 50, distance * 30);
    const projection = algebra.multiply(lens, algebra.lookAt(eye, middle, [0, 0, 1]));
    const bodies = clip.bodies(moment);
    const view = { eye, middle, sun, projection, radius: 1.25 * radius, cell, reach: 7 * radius, bodies: [], planes: [] };
    clip.geoms.forEach((geom, index) => {
      const matrix = algebra.multiply(bodies.get(geom.body), clip.matrices[index]);
      if (geom.type === "plane") view.planes.push({ matrix, size: geom.size });
      else view.bodies.push({ ...drawn[index], matrix, colour: tinted(geom, clip) });
    });
    const mark = clip.mark(moment);
    if (mark) view.bodies.push({ ...MARK, matrix: mark, colour: [...TARGET, 0.75] });
    return view;
  }

  // By mass, on a neutral ground; or as the model has it. What does not move keeps its colour.
  function tinted(geom, clip) {
    if (!weighed || !byId("masses").checked || !clip.slots.has(geom.body)) return geom.rgba;
    const log = Math.log(clip.masses[geom.body] ?? 1);
    const share = Math.min(Math.abs(log) / heaviest, 1);
    return [...algebra.mix(NEUTRAL, log > 0 ? HEAVY : LIGHT, share), geom.rgba[3]];
  }

  function fit(canvas) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2) * (playing === null ? 1 : quality);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((x) => Math.max(1, Math.round(x * ratio)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  }

  function seen(canvas) {
    const { top, bottom } = canvas.getBoundingClientRect();
    return bottom > -50 && top < window.innerHeight + 50;
  }

  function show(panel) {
    if (seen(panel.canvas)) {
      fit(panel.canvas);
      stage.draw(panel.brush, viewOf(panel));
    }
    const { from } = panel.clip.between(moment);
    panel.reward.textContent = panel.clip.reward[from].toFixed(1);
    panel.episode.textContent = panel.clip.episode[from] ? `episode ${panel.clip.episode[from] + 1}` : "";
    panel.goal.textContent = goalText(panel.clip.goals[from]);
    showParameters(panel);
  }

  function goalText(goal) {
    if (!goal) return "";
    const words = content.wishes.map(({ name, unit }, g) => `${name} ${goal[g].toFixed(2)}${unit}`);
    return `Asked for: ${words.join(", ")}`;
  }

  function showParameters(panel) {
    const piece = panel.clip.piece(moment);
    if (piece === panel.piece) return;
    panel.piece = piece;
    for (const row of panel.rows) {
      const { text, share } = piece.values[row.dataset.parameter];
      row.querySelector("b").textContent = text;
      row.classList.toggle("changed", text !== panel.clip.pieces[0].values[row.dataset.parameter].text);
      row.querySelector("u").style.left = `${100 * Math.min(Math.max(share, 0), 1)}%`;
      row.querySelector(".range").classList.toggle("beyond", share < -1e-6 || share > 1 + 1e-6);
    }
  }

  // ---- the clock

  function refresh() {
    if (!pending) pending = requestAnimationFrame(frame);
  }

  function frame(now) {
    cancelAnimationFrame(pending);
    pending = 0;
    if (playing !== null) {
      const passed = Math.min(Math.max((now - playing) / 1000, 0), 0.25);  // a hidden tab does not leap ahead
      pace += 0.1 * (Math.min(now - playing, 250) - pace);
      if (pace > SLOW) quality = COARSE;
      playing = now;
      moment += passed * Number(byId("speed").value);
      if (moment > length) moment = 0;
      refresh();
    }
    panels.forEach(show);
    byId("scrub").value = length ? moment / length : 0;
    byId("clock").textContent = `${moment.toFixed(2)} s`;
    document.documentElement.dataset.drawn = panels.length;
  }

  function play(on) {
    playing = on ? performance.now() : null;
    byId("play").textContent = on ? "Pause" : "Play";
    refresh();
  }

  function seek(time) {
    moment = Math.min(Math.max(time, 0), length);
    refresh();
  }

  function listen() {
    panels.forEach(({ canvas }) => orbit.listen(canvas));
    byId("play").addEventListener("click", () => play(playing === null));
    byId("scrub").addEventListener("input", (event) => {
      play(false);
      seek(Number(event.target.value) * length);
    });
    byId("home").addEventListener("click", () => orbit.home());
    byId("nearer").addEventListener("click", () => orbit.nearer(1.25));
    byId("farther").addEventListener("click", () => orbit.nearer(0.8));
    for (const id of ["follow", "masses"]) byId(id).addEventListener("change", refresh);
    for (const event of ["resize", "scroll"]) window.addEventListener(event, refresh);
    window.addEventListener("hashchange", () => location.reload());
    window.addEventListener("keydown", (event) => {
      if (event.target.matches("button, select, input")) return;
      if (event.key === " ") play(playing === null);
      else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        play(false);
        seek(moment + (event.key === "ArrowRight" ? 1 : -1) * content.period);
      } else return;
      event.preventDefault();
    });
  }

  byId("follow-box").hidden = !content.camera.follows;
  byId("masses-box").hidden = !weighed;
  byId("target").textContent = content.tasks[0].target.length ? "The green mark is the task's target." : "";
  byId("grid").textContent = content.geoms.some((geom) => geom.type === "plane") ? `A square of the grid is ${Number(cell.toPrecision(1))} m wide.` : "";
  document.documentElement.dataset.renderer = stage.name;
  listen();
  if (wanted.has("t")) seek(Number(wanted.get("t")) || 0);
  else play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  frame(performance.now());  // at once: a browser that is short of time may put off the first animation frame
})();
