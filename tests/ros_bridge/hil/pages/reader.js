(async () => {
  const facts = { pwned: document.documentElement.dataset.pwned ?? "" };
  // A click on a cell opens its run, and draws it.
  document.querySelector("a.cell[href='#run-weak-leg-rma-0']").click();
  await drawn("run-weak-leg-rma-0");
  const run = card("run-weak-leg-rma-0");
  facts.open = run.open;
  facts.closed = document.querySelectorAll("details.run:not([open])").length;
  facts.plots = run.querySelectorAll(".chart svg").length;
  facts.lines = [...run.querySelectorAll("path.line")].filter((path) => path.getAttribute("d").length > 500).length;
  facts.shaded = run.querySelectorAll("rect.fault").length;
  facts.joint = run.querySelector(".joint").selectedOptions[0].textContent;
  // The slider moves the robot, and the lines on all plots.
  const range = run.querySelector("input[type=range]");
  const canvas = run.querySelector("canvas");
  const at = async (moment) => {
    range.value = moment;
    range.dispatchEvent(new Event("input", { bubbles: true }));
    return { picture: canvas.toDataURL(), cursors: [...new Set([...run.querySelectorAll(".cursor")].map((line) => line.getAttribute("transform")))] };
  };
  const [one, two, again] = [await at(1), await at(1.7), await at(1)];
  facts.moves = one.picture !== two.picture;
  facts.returns = one.picture === again.picture;
  facts.together = [one.cursors.length, two.cursors.length, one.cursors[0] !== two.cursors[0]];
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  facts.seen = new Set(Array.from({ length: pixels.length / 4 }, (_, i) => pixels[4 * i] >> 3)).size;
  // All joints, small.
  const select = run.querySelector(".joint");
  select.value = "all";
  select.dispatchEvent(new Event("change"));
  facts.small = run.querySelectorAll(".several .chart path.line").length;
  // By words, and by outcome.
  const search = document.getElementById("search");
  const count = () => [document.querySelectorAll("details.run:not([hidden])").length, document.querySelectorAll(".matrix tbody tr:not(.group):not([hidden])").length];
  const say = (words) => { search.value = words; search.dispatchEvent(new Event("input", { bubbles: true })); return count(); };
  facts.search = [say("go2"), say("go2 fr_calf"), say("no such thing"), say("")];
  const box = document.querySelector("[data-outcome=passed]");
  box.click();
  facts.without = count();
  tell(facts);
})();
