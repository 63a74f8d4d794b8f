// Shows the runs with the outcomes and words that are asked for, in the matrix and below it.
"use strict";

(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const cards = [...document.querySelectorAll("details.run")];
  const boxes = [...form.querySelectorAll("[data-outcome]")];
  const search = document.getElementById("search");

  function apply() {
    const outcomes = new Set(boxes.filter((box) => box.checked).map((box) => box.dataset.outcome));
    const known = new Set(boxes.map((box) => box.dataset.outcome));
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set();
    for (const card of cards) {
      const { outcome } = card.dataset;
      const wanted = (outcomes.has(outcome) || !known.has(outcome)) && words.every((word) => card.dataset.words.includes(word));
      card.hidden = !wanted;
      if (wanted) shown.add(card.id);
    }
    for (const row of document.querySelectorAll(".matrix tbody tr:not(.group)")) {
      const cells = [...row.querySelectorAll("[data-run]")];
      cells.forEach((cell) => cell.classList.toggle("filtered", !shown.has(cell.dataset.run)));
      row.hidden = !cells.some((cell) => shown.has(cell.dataset.run));
    }
    for (const body of document.querySelectorAll(".matrix tbody")) body.hidden = !body.querySelector("tr:not(.group):not([hidden])");
    document.getElementById("shown").textContent = shown.size === cards.length ? "" : `${shown.size} of ${cards.length} runs`;
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
