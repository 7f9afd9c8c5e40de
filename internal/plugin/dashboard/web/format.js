// Words and times, in the time zone and the language of the browser.

export const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

const timeOf = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const exactOf = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dayOf = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
const dayAndYearOf = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });

/** @returns the start of the local day of a time. */
export function midnight(ms) { const d = new Date(ms); d.setHours(0, 0, 0, 0); return d.getTime(); }

export function clock(ms) { return timeOf.format(ms); }
export function exact(ms) { return exactOf.format(ms); }
export function day(ms) { return (new Date(ms).getFullYear() === new Date().getFullYear() ? dayOf : dayAndYearOf).format(ms); }

/** @returns the time of day, with the date if it is not that of now. */
export function when(ms, now) { return midnight(ms) === midnight(now) ? clock(ms) : `${day(ms)}, ${clock(ms)}`; }

/** @returns a duration in words of at most two units. */
export function span(ms) {
  const s = Math.max(0, Math.round(ms / SECOND));
  if (s < 60) return `${s} s`;
  const m = Math.round(s / 60);
  if (m < 10 && s % 60) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  const d = Math.floor(h / 24);
  return h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
}

/** @returns a time ahead, or behind, of now. */
export function ahead(ms, now) {
  const left = ms - now;
  if (Math.abs(left) < 20 * SECOND) return 'now';
  return left > 0 ? `in ${span(left)}` : `${span(-left)} ago`;
}

export function count(n, one, many) { return `${n} ${n === 1 ? one : many || one + 's'}`; }

export function ordinal(n) {
  const tens = n % 100;
  return n + (tens >= 11 && tens <= 13 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] || 'th');
}

/** @returns a reason such as EvictionRefused in words. */
export function words(reason) {
  const text = (reason || '').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return text && text[0].toUpperCase() + text.slice(1);
}

/** h makes an element. What it shows is text, whatever is in it. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false && child !== ''));
  return element;
}

/** name is a text of someone else, that keeps its direction to itself. */
export function name(text, attributes) { return h('bdi', attributes, text); }

/** setText changes a text only if it is another one. */
export function setText(element, text) { if (element.textContent !== text) element.textContent = text; }

export function byId(id) { return document.getElementById(id); }
