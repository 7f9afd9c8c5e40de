// What keeps people from using the page, of everything that is visible.
() => {
  const found = [];
  const visible = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== 'hidden'; };
  const nameOf = (e) => {
    const by = e.getAttribute('aria-labelledby');
    if (by) return by.split(/\s+/).map((id) => (document.getElementById(id) || {}).textContent || '').join(' ').trim();
    return (e.getAttribute('aria-label') || e.textContent || e.title || '').trim();
  };
  const about = (e) => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + (e.className ? '.' + e.className : '') + ' "' + (e.textContent || '').trim().slice(0, 30) + '"';
  for (const e of document.querySelectorAll('button, a[href], input, select, textarea, [tabindex], [role=row], [role=treegrid], dialog, aside, section[role]')) {
    if (visible(e) && !nameOf(e)) found.push('no name: ' + about(e));
  }
  const ids = {};
  for (const e of document.querySelectorAll('[id]')) { if (ids[e.id]) found.push('an id is used twice: ' + e.id); ids[e.id] = true; }
  for (const e of document.querySelectorAll('[aria-activedescendant]')) { if (!document.getElementById(e.getAttribute('aria-activedescendant'))) found.push('aria-activedescendant names nothing'); }
  for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) found.push('an image without a text');
  if (!document.documentElement.lang) found.push('the page has no language');
  if (document.querySelectorAll('h1').length !== 1) found.push('the page has not one h1');
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const c = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { c.clearRect(0, 0, 1, 1); c.fillStyle = color; c.fillRect(0, 0, 1, 1); const [r, g, b, a] = c.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const behind = (e) => { const layers = []; for (let p = e; p; p = p.parentElement) layers.push(rgba(getComputedStyle(p).backgroundColor)); return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
  const light = (color) => { const [r, g, b] = color.slice(0, 3).map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  let texts = 0, least = 99;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || !visible(e) || e.closest('.hidden, .skip, script, style, noscript, option') || getComputedStyle(e).fontSize === '0px') continue;
    const back = behind(e), front = over(rgba(getComputedStyle(e).color), back);
    const [x, y] = [light(front), light(back)].sort((m, n) => n - m);
    const ratio = (x + .05) / (y + .05);
    texts++;
    least = Math.min(least, ratio);
    if (ratio < 4.5) found.push('the contrast is ' + ratio.toFixed(2) + ': ' + about(e));
  }
  if (texts < 20) found.push('only ' + texts + ' texts were looked at');
  document.documentElement.dataset.least = least.toFixed(2);
  return [...new Set(found)].slice(0, 20);
}
