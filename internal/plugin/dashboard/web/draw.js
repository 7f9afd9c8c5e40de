// The drawing: the axis, and behind each row its windows, freezes and bars.
import { SECOND, MINUTE, HOUR, DAY, midnight, clock, exact, day } from './format.js';
import { store, now } from './store.js';

const BAR = 12;
const COLORS = { Waiting: 'waiting', Earlier: 'unknown', Draining: 'drain', Stuck: 'drain', Rebooting: 'reboot', Recovering: 'recover', RolledBack: 'rolled', Stalled: 'failed', Unknown: 'unknown', UnderWay: 'reboot' };
const STEPS = [SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];

let colors = {};
let patterns = {};

/** readTheme takes the colors of the style sheet. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const names = ['surface', 'ink', 'soft', 'line', 'tick', 'waiting', 'drain', 'reboot', 'recover', 'failed', 'rolled', 'unknown', 'closed', 'freeze', 'now', 'bad', 'good'];
  colors = Object.fromEntries(names.map((n) => [n, style.getPropertyValue('--' + n).trim()]));
  patterns = {};
}

/** hatch is a pattern of slanted lines in a color. */
function hatch(context, color) {
  if (patterns[color]) return patterns[color];
  const ratio = devicePixelRatio || 1;
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.round(6 * ratio);
  const c = tile.getContext('2d');
  c.strokeStyle = color;
  c.lineWidth = 1.5 * ratio;
  const s = tile.width;
  for (const shift of [-s, 0, s]) { c.beginPath(); c.moveTo(shift - 1, s + 1); c.lineTo(shift + s + 1, -1); c.stroke(); }
  const pattern = context.createPattern(tile, 'repeat');
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  patterns[color] = pattern;
  return pattern;
}

/** size fits a canvas to the screen's pixels. */
export function size(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const w = Math.round(width * ratio), hh = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== hh) { canvas.width = w; canvas.height = hh; canvas.style.width = width + 'px'; canvas.style.height = height + 'px'; }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function scale(width) {
  const { from, to } = store.view;
  const per = width / (to - from);
  return { x: (ms) => (ms - from) * per, per, from, to, width };
}

/** ticks of the local clock, at least 76 pixels apart. A day of 23 or 25 hours has those that its clock shows. */
function ticks(s) {
  const step = STEPS.find((one) => one * s.per >= 76) || STEPS.at(-1);
  const all = [];
  for (let day = midnight(s.from); day <= s.to;) {
    const d = new Date(day);
    const next = new Date(d.getFullYear(), d.getMonth(), d.getDate() + 1).getTime();
    if (step >= DAY) {
      if (Math.round(Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) / DAY) % (step / DAY) === 0) all.push(day);
    } else {
      for (let k = Math.max(0, Math.floor((s.from - day) / step) - 1); ; k++) {
        const t = new Date(d.getFullYear(), d.getMonth(), d.getDate(), 0, 0, k * step / SECOND).getTime();
        if (t >= next || t > s.to) break;
        if (t >= s.from && t !== all.at(-1)) all.push(t);
      }
    }
    day = next;
  }
  return { step, all };
}

export function drawAxis(canvas, width) {
  const c = size(canvas, width, 37);
  const s = scale(width);
  const { step, all } = ticks(s);
  c.font = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  c.textBaseline = 'middle';
  c.fillStyle = colors.soft;
  const label = step < MINUTE ? exact : clock;
  const days = new Set();
  for (const t of all) {
    const x = s.x(t);
    c.fillStyle = colors.line;
    c.fillRect(Math.round(x), 30, 1, 7);
    if (step >= DAY) { c.fillStyle = colors.soft; c.textAlign = 'center'; c.fillText(day(t), x, 22); continue; }
    c.fillStyle = colors.soft;
    c.textAlign = 'center';
    if (x > 18 && x < width - 18 && Math.abs(x - s.x(now())) > 44) c.fillText(label(t), x, 24);
    if (t === midnight(t)) days.add(t);
  }
  if (step < DAY) drawDays(c, s, days);
  const x = s.x(now());
  if (x < 0 || x > width) return;
  const text = clock(now());
  const half = c.measureText(text).width / 2 + 7;
  const middle = Math.min(Math.max(x, half), width - half);
  c.fillStyle = colors.now;
  c.beginPath(); c.roundRect(middle - half, 15, half * 2, 18, 9); c.fill();
  c.fillRect(Math.round(x) - .5, 32, 1.5, 5);
  c.fillStyle = colors.surface;
  c.textAlign = 'center';
  c.fillText(text, middle, 24.5);
}

/** drawDays writes the date where a day begins, and at the left. */
function drawDays(c, s, days) {
  c.font = '11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  c.fillStyle = colors.soft;
  c.textAlign = 'left';
  let first = Infinity;
  for (const t of days) { const x = s.x(t); first = Math.min(first, x); c.fillText(day(t), x + 5, 8); c.fillStyle = colors.line; c.fillRect(Math.round(x), 0, 1, 30); c.fillStyle = colors.soft; }
  const text = day(s.from);
  if (first > c.measureText(text).width + 18) c.fillText(text, 8, 8);
  c.font = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
}

/** drawRows draws lines, of which the first begins at the top of the canvas. */
export function drawRows(canvas, width, height, lines) {
  const c = size(canvas, width, height);
  const s = scale(width);
  const grid = ticks(s).all;
  for (const { line, y, tall } of lines) if (line.row) drawShades(c, s, line.row.policy, y, tall - 1);
  c.fillStyle = colors.tick;
  for (const t of grid) c.fillRect(Math.round(s.x(t)), 0, 1, height);
  for (const { line, y, tall } of lines) {
    if (line.row) drawBars(c, s, line.row, y + (tall - 1 - BAR) / 2);
    else drawSum(c, s, line, y + tall / 2 - 3);
  }
  const x = s.x(now());
  if (x < 0 || x > width) return;
  c.fillStyle = colors.now;
  c.fillRect(Math.round(x) - .5, 0, 1.5, height);
}

/** drawShades darkens what is closed, and hatches freezes. */
function drawShades(c, s, policy, y, tall) {
  const of = store.shades.get(policy);
  if (!of) return;
  if (of.windows.length) {
    c.fillStyle = colors.closed;
    let closed = store.from;
    for (const w of [...of.windows, { from: store.to, to: store.to }]) {
      if (w.from > closed) box(c, s, closed, w.from, y, tall);
      closed = Math.max(closed, w.to);
    }
  }
  for (const f of of.freezes) {
    c.fillStyle = colors.freeze;
    box(c, s, f.from, f.to, y, tall);
    c.fillStyle = hatch(c, colors.freeze);
    box(c, s, f.from, f.to, y, tall);
  }
}

function box(c, s, from, to, y, tall) {
  const left = Math.max(0, s.x(from)), right = Math.min(s.width, s.x(to));
  if (right > left) c.fillRect(left, y, right - left, tall);
}

/** drawBars draws what happened to a node, and lighter what is expected. */
function drawBars(c, s, row, y) {
  const t = now();
  const bars = row.bars || [];
  for (let i = 0; i < bars.length; i++) {
    const bar = bars[i];
    const end = bar.to || t;
    // What was expected of the time that has passed meanwhile is over.
    const from = bar.forecast ? Math.max(bar.from, t) : bar.from;
    if (end < s.from || from > s.to || (bar.forecast && end <= t)) continue;
    const left = Math.max(s.x(from), -4), right = Math.min(Math.max(s.x(end), left + 2), s.width + 4);
    const color = colors[COLORS[bar.kind] || 'unknown'];
    if (bar.kind === 'Waiting' && !bar.forecast) { waits(c, left, right, y, color, row.warn && !bar.to); continue; }
    const joinsLeft = i > 0 && joined(bars[i - 1], bar), joinsRight = i + 1 < bars.length && joined(bar, bars[i + 1]);
    const corner = [joinsLeft ? 0 : 3, joinsRight ? 0 : 3, joinsRight ? 0 : 3, joinsLeft ? 0 : 3];
    c.beginPath();
    c.roundRect(left, y, right - left, BAR, corner);
    if (bar.forecast) { c.globalAlpha = .16; c.fillStyle = color; c.fill(); c.globalAlpha = .6; c.fillStyle = hatch(c, color); c.fill(); c.globalAlpha = 1; continue; }
    if (bar.kind === 'Earlier' || bar.kind === 'Unknown') c.globalAlpha = .45;
    c.fillStyle = color;
    c.fill();
    c.globalAlpha = 1;
    if (bar.kind === 'Stuck') { c.fillStyle = hatch(c, colors.failed); c.fill(); c.fillStyle = colors.failed; c.fillRect(left, y + BAR - 2, right - left, 2); }
  }
  if (row.late && row.back && row.late > row.back) late(c, s, row, y);
  for (const mark of row.marks || []) drawMark(c, s, mark, y);
}

function joined(a, b) { return a.kind !== 'Waiting' && b.kind !== 'Waiting' && (a.to || 0) === b.from && !a.forecast === !b.forecast; }

function waits(c, left, right, y, color, warn) {
  c.fillStyle = warn ? colors.failed : color;
  c.globalAlpha = .7;
  c.fillRect(left, y + BAR / 2 - .5, right - left, 1);
  c.globalAlpha = 1;
  if (left >= 0) { c.beginPath(); c.arc(left, y + BAR / 2, 2.5, 0, 7); c.fill(); }
}

/** late is by when the node is back in nine of ten runs. */
function late(c, s, row, y) {
  const left = s.x(row.back), right = s.x(row.late);
  if (right < 0 || left > s.width || right - left < 3) return;
  c.fillStyle = colors.unknown;
  c.globalAlpha = .7;
  c.fillRect(left, y + BAR / 2 - .5, right - left, 1);
  c.fillRect(right - 1, y + 3, 1, BAR - 6);
  c.globalAlpha = 1;
}

/** drawMark draws how an attempt ended. */
function drawMark(c, s, mark, y) {
  if (mark.kind !== 'Failed' && mark.kind !== 'Proved' && mark.kind !== 'Cancelled') return;
  const x = s.x(mark.at), middle = y + BAR / 2;
  if (x < -20 || x > s.width + 4) return;
  c.lineWidth = 1.8;
  c.lineCap = 'round';
  c.lineJoin = 'round';
  c.beginPath();
  if (mark.kind === 'Proved') { c.strokeStyle = colors.good; c.moveTo(x + 4.5, middle + .5); c.lineTo(x + 7, middle + 3); c.lineTo(x + 11.5, middle - 3); }
  else { c.strokeStyle = mark.kind === 'Failed' ? colors.bad : colors.unknown; c.moveTo(x + 5, middle - 3); c.lineTo(x + 11, middle + 3); c.moveTo(x + 11, middle - 3); c.lineTo(x + 5, middle + 3); }
  c.stroke();
}

/** drawSum draws how busy a zone was and will be. */
function drawSum(c, s, line, y) {
  const t = now();
  for (const row of line.rows) {
    for (const bar of row.bars || []) {
      if (bar.kind === 'Waiting' || (bar.forecast && bar.to <= t)) continue;
      const left = Math.max(0, s.x(bar.forecast ? Math.max(bar.from, t) : bar.from)), right = Math.min(s.width, Math.max(s.x(bar.to || t), left + 1.5));
      if (right <= 0 || left >= s.width) continue;
      c.globalAlpha = bar.forecast ? .22 : .75;
      c.fillStyle = colors[COLORS[bar.kind] || 'unknown'];
      c.fillRect(left, y, right - left, 6);
    }
  }
  c.globalAlpha = 1;
}

/** hit finds what is at a place of a row. */
export function hit(row, x, width) {
  const s = scale(width);
  const t = now();
  for (const bar of [...(row.bars || [])].reverse()) {
    const left = s.x(bar.from), right = Math.max(s.x(bar.to || t), left + 2);
    if (x >= left - 3 && x <= right + 3) return bar;
  }
  return null;
}

export function timeAt(x, width) { return store.view.from + (store.view.to - store.view.from) * x / width; }
