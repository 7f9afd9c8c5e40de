// Notes every state that a row shows, and how often the drawing changes.
(() => {
  globalThis.seen = {}; globalThis.drawings = new Set();
  const look = () => {
    for (const e of document.querySelectorAll(".row:not(.zone)")) (seen[e.dataset.key] = seen[e.dataset.key] || new Set()).add(e.querySelector("i").dataset.state);
    requestAnimationFrame(look);
  };
  look();
  setInterval(() => drawings.add(document.querySelector("#bars").toDataURL()), 300);
  return true;
})()
