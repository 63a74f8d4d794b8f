// Whatever goes wrong on the page is said at its top, and noted in the document for tests.
"use strict";

function reportTrouble(message) {
  const root = document.documentElement;
  root.dataset.trouble = [root.dataset.trouble, String(message)].filter(Boolean).join(" | ");
  const notice = document.getElementById("trouble");
  if (notice) {
    notice.textContent = `Part of this page could not be drawn: ${message}`;
    notice.hidden = false;
  }
}

window.addEventListener("error", (event) => reportTrouble(event.message));
window.addEventListener("unhandledrejection", (event) => reportTrouble(event.reason));
document.addEventListener("securitypolicyviolation", (event) =>
  reportTrouble(`refused to load ${event.blockedURI} (${event.violatedDirective})`));
