// Stands in for a reader's hands: acts on the view's page, and notes in its root element what changed the picture.
"use strict";

const root = document.documentElement, canvas = document.querySelector("canvas");
const byId = (id) => document.getElementById(id);
const picture = () => canvas.toDataURL();
const later = () => new Promise((done) => setTimeout(done, 150));
canvas.setPointerCapture = () => {};
const point = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: x, clientY: y }));
const drag = () => { point("pointerdown", 50, 50); point("pointermove", 90, 60); point("pointerup", 90, 60); };
async function changes(name, act) {
  const before = picture();
  await act();
  await later();
  root.dataset[name] = before === picture() ? "same" : "other";
}
(async () => {
  await later();
  const first = picture();
  await changes("dragged", drag);
  await changes("moved", () => point("pointermove", 10, 10));
  await changes("scrolled", () => canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -200 })));
  await changes("pinched", () => canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, ctrlKey: true })));
  await changes("coloured", () => byId("masses").click());
  byId("masses").click();
  byId("home").click();
  await later();
  root.dataset.home = first === picture() ? "same" : "other";
  await changes("scrubbed", () => { byId("scrub").value = 1; byId("scrub").dispatchEvent(new Event("input")); });
  root.dataset.clock = byId("clock").textContent;
  const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  await changes("stepped", () => key("ArrowLeft"));
  key(" ");
  root.dataset.playing = byId("play").textContent;
  key(" ");
  root.dataset.paused = byId("play").textContent;
})();
