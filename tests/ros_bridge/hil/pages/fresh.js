(async () => {
  await drawn("run-nan-in-one-joint-rma-0");
  const run = card("run-nan-in-one-joint-rma-0");
  tell({ time: run.querySelector("output").textContent, broken: run.querySelectorAll("rect.broken").length,
    beyond: run.querySelectorAll("path.beyond.seen").length, fits: document.documentElement.scrollWidth <= window.innerWidth,
    words: run.querySelector(".now").textContent, renderer: document.documentElement.dataset.renderer });
})();
