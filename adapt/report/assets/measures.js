// The page's measures in px, for those who take its picture or check that it fits its window.
"use strict";

function noteMeasures() {
  const root = document.documentElement;
  const measures = { width: window.innerWidth, contentWidth: root.scrollWidth, height: root.scrollHeight };
  Object.assign(root.dataset, measures);
}
window.addEventListener("load", noteMeasures);
