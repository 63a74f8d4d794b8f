(async () => {
  document.querySelector("a.cell[href='#run-weak-leg-rma-0']").click();
  await drawn("run-weak-leg-rma-0");
  const run = card("run-weak-leg-rma-0");
  const range = run.querySelector("input[type=range]");
  const before = [Number(range.value), run.querySelector("canvas").toDataURL()];
  run.querySelector(".play").click();
  const says = run.querySelector(".play").textContent;
  await until(() => Number(range.value) > before[0] + 0.15);  // a headless browser draws few frames
  run.querySelector(".play").click();
  tell({ begun: before[0], on: Number(range.value), says, moved: before[1] !== run.querySelector("canvas").toDataURL() });
})();
