until(() => document.readyState === "complete").then(() => {
  tell({ ready: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd });
});
