// One hidden robot at a time: its charts, its animation, and one moment in time that all of them share.
"use strict";

(() => {
  const robots = content.ros.robots.map((robot) => new Recording(robot));
  const SHOWN = ["payload_mass", "encoder_offset", "gravity_stiffness", "motor_gain"];
  const TRAIL_SECONDS = 0.5;
  const NOTICE_SECONDS = 2;

  const byId = (id) => document.getElementById(id);
  const make = (tag, text = "", kind = "") =>
    Object.assign(document.createElement(tag), { textContent: text, className: kind });
  const view = new PendulumView(byId("pendulum"), content.theme.colours, content.ros.largest);
  const tracks = [byId("angle-track"), byId("torque-track")].map((place) => addPlayhead(place, TRACK_MARGIN));
  let robot = null;
  let moment = 0;
  let playing = null;
  let minis = [];

  // A chart's line at the present moment. The margins are fixed, so its place follows from the width alone.
  function addPlayhead(place, margin) {
    const head = make("div", "", "playhead");
    Object.assign(head.style, { top: `${margin.t}px`, bottom: `${margin.b}px` });
    place.append(head);
    const inner = () => place.clientWidth - margin.l - margin.r;
    const seconds = () => Math.max(robot.end - robot.start, 1e-9);
    place.showMoment = () => {
      const share = (moment - robot.start) / seconds();
      head.style.transform = `translateX(${margin.l + share * inner()}px)`;
    };
    place.addEventListener("click", (event) => {
      const x = event.clientX - place.getBoundingClientRect().left - margin.l;
      seek(robot.start + (x / inner()) * seconds());
    });
    return place;
  }

  function makeMinis() {
    minis.forEach((place) => Plotly.purge(place));
    byId("minis").replaceChildren();
    minis = robot.labels.map((title) => {
      const box = make("div", "", "mini");
      const place = addPlayhead(make("div", "", "plot"), MINI_MARGIN);
      box.append(make("h4", title), place);
      byId("minis").append(box);
      return place;
    });
  }

  // ---- the moment

  function scene() {
    const truth = robot.truthAt(moment);
    const measured = robot.angleAt(robot.measured, moment);
    const offset = robot.beliefAt("encoder_offset", moment)?.mean ?? null;
    const certified = robot.certified[robot.indexAt(moment)] ?? 0;
    return {
      angle: robot.angleAt(robot.angle, moment) ?? 0,
      measured,
      corrected: measured === null || offset === null ? null : measured - offset,
      mass: truth.payload_mass,
      believedMass: robot.beliefAt("payload_mass", moment)?.mean,
      distance: truth.payload_distance,
      torque: certified / robot.limit,
      trail: trail(),
    };
  }

  function trail() {
    const samples = robot.angle.slice(robot.indexAt(moment - TRAIL_SECONDS), robot.indexAt(moment) + 1);
    return samples.filter((angle) => angle !== null);
  }

  function notice() {
    const since = robot.change === null ? -1 : moment - robot.change;
    return since >= 0 && since < NOTICE_SECONDS ? robot.changeText() : "";
  }

  function readoutRow(title, unit, truth, seen) {
    const row = make("tr");
    const head = make("th", title);
    if (unit !== "1") head.append(make("small", ` ${unit}`));
    row.append(head, make("td", truth), make("td", seen));
    return row;
  }

  function beliefText({ mean, std }) {
    return mean === null ? "\u2013" : `${formatNumber(mean)} ± ${formatNumber(std === null ? null : 2 * std, 2)}`;
  }

  function showReadout(now) {
    const truth = robot.truthAt(moment);
    const angles = [now.angle, now.measured].map(fromUpright);
    const rows = [readoutRow("From upright", "rad", ...angles.map((angle) => angle?.toFixed(2) ?? "\u2013"))];
    for (const name of SHOWN) {
      const belief = robot.beliefAt(name, moment);
      if (!belief) continue;
      const [title, unit] = [robot.labels[belief.q], robot.units[belief.q]];
      rows.push(readoutRow(title, unit, formatNumber(truth[name]), beliefText(belief)));
    }
    byId("readout").replaceChildren(...rows);
  }

  function seek(time) {
    moment = Math.min(Math.max(time, robot.start), robot.end);
    const now = scene();
    view.draw(now);
    showReadout(now);
    byId("notice").textContent = notice();
    byId("scrub").value = moment;
    byId("clock").textContent = `${moment.toFixed(1)} s`;
    [...tracks, ...minis].forEach((place) => place.showMoment());
  }

  function play() {
    if (moment >= robot.end) seek(robot.start);
    playing = performance.now();
    byId("play").textContent = "Pause";
    requestAnimationFrame(advance);
  }

  function pause() {
    playing = null;
    byId("play").textContent = "Play";
  }

  function advance(now) {
    if (playing === null) return;
    const passed = Math.min(Math.max((now - playing) / 1000, 0), 0.1);  // a hidden tab does not leap ahead
    playing = now;
    seek(moment + passed);
    if (moment >= robot.end) pause();
    else requestAnimationFrame(advance);
  }

  // ---- the choice

  function select(index, time) {
    const before = robot?.names.join();
    robot = robots[index];
    if (robot.names.join() !== before) makeMinis();
    Object.assign(byId("scrub"), { min: robot.start, max: robot.end });
    byId("robot-select").value = index;
    byId("corrected-key").hidden = !robot.names.includes("encoder_offset");
    byId("viewer").dataset.robot = index + 1;
    for (const row of document.querySelectorAll("[data-row]")) {
      row.classList.toggle("picked", Number(row.dataset.row) === index + 1);
    }
    showVerdict();
    robotCharts.drawAngle(tracks[0], robot);
    robotCharts.drawTorque(tracks[1], robot);
    minis.forEach((place, q) => robotCharts.drawBelief(place, robot, q));
    seek(time ?? robot.start);
  }

  function showVerdict() {
    const verdict = (text, good) => make("span", `${good ? "✓" : "✗"} ${text}`, good ? "yes" : "no");
    const words = [verdict(`${robot.upright ? "upright" : "not upright"} in the first episode`, robot.upright)];
    if (robot.change !== null) {
      const outcome = robot.recovered ? "recovered" : "did not recover";
      words.push(verdict(`${outcome} after the change at ${formatNumber(robot.change, 2)} s`, robot.recovered));
    }
    byId("robot-verdict").replaceChildren(...words);
  }

  // `#robot=3&t=2.5`: the third robot, 2.5 s into its trial.
  function fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const index = Number(wanted.get("robot")) - 1;
    const time = Number(wanted.get("t") ?? NaN);
    return robots[index] ? { index, time: Number.isFinite(time) ? time : undefined } : null;
  }

  function choose(index) {
    const kept = (index + robots.length) % robots.length;
    history.replaceState(null, "", `#robot=${kept + 1}`);
    select(kept);
  }

  function listen() {
    byId("robot-select").addEventListener("change", (event) => choose(Number(event.target.value)));
    byId("robot-previous").addEventListener("click", () => choose(robots.indexOf(robot) - 1));
    byId("robot-next").addEventListener("click", () => choose(robots.indexOf(robot) + 1));
    byId("play").addEventListener("click", () => (playing === null ? play() : pause()));
    byId("scrub").addEventListener("input", (event) => {
      pause();
      seek(Number(event.target.value));
    });
    window.addEventListener("resize", () => seek(moment));
    window.addEventListener("hashchange", () => {
      const wanted = fromAddress();
      if (!wanted) return;
      select(wanted.index, wanted.time);
      byId("robots").scrollIntoView();
    });
  }

  // Plays once when the pendulum comes into view, unless the reader has asked for calm or for a moment.
  function playOnceSeen() {
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      if (playing === null && moment === robot.start) play();
    }, { threshold: 0.8 });
    watch.observe(byId("pendulum"));
  }

  robots.forEach((item, index) => {
    byId("robot-select").append(new Option(`${index + 1} of ${robots.length}: ${item.name}`, index));
  });
  listen();
  const wanted = fromAddress();
  select(wanted?.index ?? 0, wanted?.time);
  if (wanted?.time === undefined) playOnceSeen();
})();
