// Scrolls, and returns how many milliseconds the slowest step took.
new Promise((done) => { const s = document.querySelector("#scroll"); let worst = 0, n = 0;
  const step = () => { const begin = performance.now(); s.scrollTop += 700; s.dispatchEvent(new Event("scroll")); worst = Math.max(worst, performance.now() - begin);
    if (++n < 20) requestAnimationFrame(step); else done(worst); }; requestAnimationFrame(step); })
