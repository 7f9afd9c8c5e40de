// Scrolls, and returns how many milliseconds each step took.
new Promise((done) => { const s = document.querySelector("#scroll"), took = [];
  const step = () => { const begin = performance.now(); s.scrollTop += 700; s.dispatchEvent(new Event("scroll")); took.push(performance.now() - begin);
    if (took.length < 20) requestAnimationFrame(step); else done(took); }; requestAnimationFrame(step); })
