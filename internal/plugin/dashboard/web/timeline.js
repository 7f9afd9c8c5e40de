// The timeline: rows of the DOM, as many as are in sight, with the drawing behind them. It scrolls, pans and zooms.
import { h, name, byId, setText, count, clock, when, span, words, ordinal, ahead } from './format.js';
import { store, now, arrange, fit, zoom, pan, group } from './store.js';
import { drawAxis, drawRows, hit, timeAt, size } from './draw.js';

const ROW = 28, ZONE = 32, MORE = 240;
const elements = {};
let tops = [];
let width = 0, height = 0, gutter = 0;
let window_ = { first: 0, last: -1 };
let queued = 0;
let chooseNode = () => {};
const made = new Map();

export function startTimeline(onChoose) {
  chooseNode = onChoose;
  for (const id of ['scroll', 'grid', 'bars', 'axis', 'timeline', 'tip', 'count', 'empty']) elements[id] = byId(id);
  new ResizeObserver(measure).observe(elements.scroll);
  elements.scroll.addEventListener('scroll', () => { elements.tip.hidden = true; if (outOfSight()) render(); }, { passive: true });
  elements.grid.addEventListener('keydown', onGridKey);
  elements.grid.addEventListener('focus', () => { if (!store.active && store.lines.length) { store.active = store.lines[0].key; render(); } });
  elements.grid.addEventListener('click', onClick);
  startPointer(elements.scroll, true);
  startPointer(elements.axis, false);
  for (const element of [elements.scroll, elements.axis]) element.addEventListener('wheel', onWheel, { passive: false });
  measure();
}

function measure() {
  width = Math.max(40, elements.scroll.clientWidth - gutterWidth());
  height = elements.scroll.clientHeight;
  render();
}

function gutterWidth() {
  gutter = parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--gutter')) || 264;
  return gutter;
}

/** refresh arranges the lines again, because rows or filters changed, and draws. */
export function refresh() {
  arrange();
  fit(false);
  tops = new Array(store.lines.length + 1);
  let y = 0;
  store.lines.forEach((line, i) => { tops[i] = y; y += line.row ? ROW : ZONE; });
  tops[store.lines.length] = y;
  elements.grid.style.height = Math.max(y, elements.scroll.clientHeight) + 'px';
  elements.grid.setAttribute('aria-rowcount', String(store.lines.length));
  if (store.active && !store.lines.some((line) => line.key === store.active)) store.active = '';
  setText(elements.count, `${count(store.shown, 'node')}${store.shown < store.rows.size ? ` of ${store.rows.size}` : ''}`);
  sayEmpty();
  render();
}

function sayEmpty() {
  const empty = !store.lines.length && store.stream !== '';
  elements.empty.hidden = !empty;
  if (!empty) return;
  elements.empty.replaceChildren(...(store.rows.size
    ? [h('b', {}, 'No node matches the filter'), 'Change the filter, or press Escape in its field to clear it.']
    : [h('b', {}, 'There is nothing to show yet'), 'No node and no NodeReboot can be seen. Reboots appear here when one is required.']));
}

/** at is the index of the line at a height. */
function at(y) {
  let low = 0, high = store.lines.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (tops[middle] <= y) low = middle; else high = middle - 1; }
  return low;
}

function outOfSight() {
  const top = elements.scroll.scrollTop;
  return tops[window_.first] > Math.max(0, top - 20) || (window_.last < store.lines.length - 1 && tops[window_.last + 1] < top + height + 20);
}

/** render draws what is in sight, and somewhat more, so that scrolling shows no gaps. */
export function render() {
  if (!width) return;
  drawAxis(elements.axis, width);
  const top = elements.scroll.scrollTop;
  const first = store.lines.length ? at(Math.max(0, top - MORE)) : 0, last = store.lines.length ? at(top + height + MORE) : -1;
  window_ = { first, last };
  renderRows(first, last);
  draw();
}

/** draw draws the bars again, without touching the DOM. */
export function draw() {
  const { first, last } = window_;
  if (last < first) { size(elements.bars, width, 1); return; }
  const base = tops[first];
  elements.bars.style.transform = `translateY(${base}px)`;
  const lines = [];
  for (let i = first; i <= last; i++) lines.push({ line: store.lines[i], y: tops[i] - base, tall: tops[i + 1] - tops[i] });
  drawRows(elements.bars, width, Math.max(tops[last + 1] - base, Math.min(height, height - base)), lines);
}

/** tick moves the now line, and with it bars that are open. */
export function tick() { drawAxis(elements.axis, width); fitAndDraw(); }

function fitAndDraw() { fit(false); draw(); }

/** later renders once per frame, however often it is asked to. */
export function later() {
  if (!queued) queued = requestAnimationFrame(() => { queued = 0; render(); });
}

function renderRows(first, last) {
  const wanted = new Set();
  for (let i = first; i <= last; i++) wanted.add(store.lines[i].key);
  for (const [key, row] of made) if (!wanted.has(key)) { row.element.remove(); made.delete(key); }
  for (let i = first; i <= last; i++) {
    const line = store.lines[i];
    let row = made.get(line.key);
    if (!row) {
      row = { element: line.row ? nodeRow(line) : zoneRow(line), order: -1 };
      made.set(line.key, row);
    }
    fill(row, line, i);
  }
  // The order of the DOM is that of the eye: screen readers go by it.
  let before = null;
  for (let i = last; i >= first; i--) {
    const { element } = made.get(store.lines[i].key);
    if (element.parentNode !== elements.grid || element.nextSibling !== before) elements.grid.insertBefore(element, before);
    before = element;
  }
  const active = store.active && made.get(store.active);
  if (active) elements.grid.setAttribute('aria-activedescendant', active.element.id); else elements.grid.removeAttribute('aria-activedescendant');
}

let ids = 0;

function nodeRow(line) {
  return h('div', { class: 'row', role: 'row', id: 'row-' + ids++, 'aria-level': '2', 'data-key': line.key },
    h('div', { class: 'name', role: 'rowheader' }, h('i', { class: 'dot', 'aria-hidden': 'true' }), name(line.row.node, { class: 'label' }), h('span', { class: 'what' })),
    h('div', { class: 'rest', role: 'gridcell' }));
}

function zoneRow(line) {
  const arrow = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  arrow.setAttribute('viewBox', '0 0 24 24');
  arrow.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M9 5l7 7-7 7');
  arrow.append(path);
  return h('div', { class: 'row zone', role: 'row', id: 'row-' + ids++, 'aria-level': '1', 'data-key': line.key },
    h('div', { class: 'name', role: 'rowheader' }, arrow, name(line.zone || 'No zone', { class: 'label' }), h('span', { class: 'what' })),
    h('div', { class: 'rest', role: 'gridcell' }));
}

function fill(made_, line, i) {
  const { element } = made_;
  element.style.transform = `translateY(${tops[i]}px)`;
  element.style.height = (tops[i + 1] - tops[i]) + 'px';
  element.setAttribute('aria-rowindex', String(i + 1));
  element.classList.toggle('active', store.active === line.key);
  if (line.row) fillNode(element, line.row); else fillZone(element, line);
}

function fillNode(element, row) {
  element.classList.toggle('selected', store.selected === row.node);
  element.setAttribute('aria-selected', String(store.selected === row.node));
  element.classList.toggle('warn', Boolean(row.warn));
  element.firstChild.firstChild.dataset.state = row.state;
  setText(element.querySelector('.what'), brief(row));
  setText(element.lastChild, sentence(row));
  element.title = row.node;
}

function fillZone(element, line) {
  element.setAttribute('aria-expanded', String(!store.collapsed.has(line.zone)));
  const of = {};
  for (const row of line.rows) of[group(row.state)] = (of[group(row.state)] || 0) + 1;
  const parts = [];
  if (of.UnderWay) parts.push(`${of.UnderWay} under way`);
  if (of.Waiting) parts.push(`${of.Waiting} waiting`);
  if (of.Failed) parts.push(`${of.Failed} failed`);
  if (!parts.length && of.Proved) parts.push(of.Proved === line.rows.length ? 'all proved' : `${of.Proved} proved`);
  const text = parts.join(', ') || count(line.rows.length, 'node');
  setText(element.querySelector('.what'), text);
  setText(element.lastChild, `${count(line.rows.length, 'node')}: ${text}`);
}

/** brief is the state of a node in a few words. */
export function brief(row) {
  if (row.warn && row.reason) return words(row.reason);
  if (row.state === 'Waiting') {
    if (row.start) return ahead(row.start, now()) === 'now' ? 'about now' : `about ${clock(row.start)}`;
    return row.queue ? `${ordinal(row.queue)} of ${row.of}` : words(row.reason) || 'Waiting';
  }
  if (row.state === 'Idle') return '';
  if (row.state === 'Proved') return row.ended ? when(row.ended, now()) : 'Proved';
  if (row.state === 'Failed') return words(row.reason);
  return words(row.state) + (row.state === 'Draining' && row.podsLeft ? `, ${count(row.podsLeft, 'pod')}` : '');
}

/** sentence is the state of a node for those who do not see it. */
export function sentence(row) {
  if (row.state === 'Idle') return row.noNode ? 'There is no such node now.' : 'Nothing to do.';
  const parts = [row.state === 'Idle' ? 'Nothing to do' : words(row.state)];
  if (row.reason && row.reason !== row.state) parts.push(words(row.reason));
  if (row.queue) parts.push(`${ordinal(row.queue)} of ${row.of} in its zone`);
  if (row.state === 'Waiting' && row.start) parts.push(`expected to start at ${when(row.start, now())}`);
  if (row.back && row.state !== 'Proved') parts.push(`expected back at ${when(row.back, now())}`);
  if (row.state === 'Proved' && row.ended) parts.push(`at ${when(row.ended, now())}`);
  return parts.join(', ') + '.';
}

// The keyboard.

function onGridKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const index = Math.max(0, store.lines.findIndex((line) => line.key === store.active));
  const page = Math.max(1, Math.floor(height / ROW) - 1);
  const to = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: store.lines.length - 1 }[event.key];
  if (to !== undefined) activate(Math.min(Math.max(to, 0), store.lines.length - 1));
  else if (event.key === 'Enter' || event.key === ' ') open(store.lines[index]);
  else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') sideways(event, store.lines[index], index);
  else return;
  event.preventDefault();
}

function sideways(event, line, index) {
  const right = event.key === 'ArrowRight';
  if (!line) return;
  if (!event.shiftKey && !line.row && store.collapsed.has(line.zone) === right) { toggle(line); return; }
  if (!event.shiftKey && line.row && !right) { while (index > 0 && store.lines[index].row) index--; activate(index); return; }
  pan((store.view.to - store.view.from) * (right ? .12 : -.12));
  render();
}

function activate(index) {
  if (!store.lines[index]) return;
  store.active = store.lines[index].key;
  reveal(index);
  render();
}

function reveal(index) {
  const top = tops[index], bottom = tops[index + 1], { scroll } = elements;
  if (top < scroll.scrollTop) scroll.scrollTop = top; else if (bottom > scroll.scrollTop + height) scroll.scrollTop = bottom - height;
}

/** show brings a node into sight. */
export function show(node) {
  const row = store.rows.get(node);
  if (row && store.collapsed.delete(row.zone || '')) refresh();
  const index = store.lines.findIndex((line) => line.key === node);
  if (index < 0) return;
  store.active = node;
  reveal(index);
  render();
}

function toggle(line) {
  if (!store.collapsed.delete(line.zone)) store.collapsed.add(line.zone);
  refresh();
}

function open(line) {
  if (!line) return;
  if (line.row) chooseNode(line.row.node); else toggle(line);
}

// The mouse, fingers and the wheel.

let dragged = false;

function onClick(event) {
  if (dragged) return;
  const element = event.target.closest('.row');
  if (!element) return;
  const line = store.lines.find((one) => one.key === element.dataset.key);
  store.active = line.key;
  open(line);
  render();
}

function startPointer(element, rows) {
  const fingers = new Map();
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || (rows && event.clientX - elements.scroll.getBoundingClientRect().left < gutter)) { dragged = false; return; }
    fingers.set(event.pointerId, event.clientX);
    dragged = false;
  });
  element.addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId)) { if (rows) hover(event); return; }
    const before = fingers.get(event.pointerId), moved = event.clientX - before;
    if (!dragged && Math.abs(moved) < 4) return;
    if (!dragged) { dragged = true; element.setPointerCapture(event.pointerId); elements.tip.hidden = true; }
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) pinch(fingers, event.pointerId, before); else pan(-moved * (store.view.to - store.view.from) / width);
    later();
  });
  const end = (event) => fingers.delete(event.pointerId);
  element.addEventListener('pointerup', end);
  element.addEventListener('pointercancel', end);
  element.addEventListener('pointerleave', () => { elements.tip.hidden = true; });
}

function pinch(fingers, moved, before) {
  const [other] = [...fingers].filter(([id]) => id !== moved).map(([, x]) => x);
  const is = Math.abs(fingers.get(moved) - other), was = Math.abs(before - other);
  if (is > 8 && was > 8) zoom(was / is, timeAt(other - elements.axis.getBoundingClientRect().left, width));
}

function onWheel(event) {
  const left = elements.axis.getBoundingClientRect().left;
  const overAxis = event.currentTarget === elements.axis;
  if (event.ctrlKey || event.metaKey || (overAxis && !event.deltaX)) {
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * .005), timeAt(Math.max(0, event.clientX - left), width));
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    pan((event.deltaX || event.deltaY) * (store.view.to - store.view.from) / width);
  } else return;
  event.preventDefault();
  later();
}

function hover(event) {
  const area = elements.scroll.getBoundingClientRect();
  const x = event.clientX - area.left - gutter, y = event.clientY - area.top + elements.scroll.scrollTop;
  const line = store.lines.length && y < tops[store.lines.length] ? store.lines[at(y)] : null;
  const bar = line && line.row && x > 0 && event.pointerType === 'mouse' && hit(line.row, x, width);
  elements.tip.hidden = !bar;
  if (!bar) return;
  const end = bar.to || now();
  elements.tip.replaceChildren(h('b', {}, bar.forecast ? `Expected: ${words(bar.kind).toLowerCase()}` : words(bar.kind), ' · ', name(line.row.node)),
    h('span', {}, `${when(bar.from, now())} ${bar.to ? 'to ' + clock(end) : 'until now'}, ${span(end - bar.from)}`),
    bar.result && h('span', {}, words(bar.result)), bar.note && h('span', {}, name(bar.note)));
  const own = elements.timeline.getBoundingClientRect();
  const wide = elements.tip.offsetWidth, tall = elements.tip.offsetHeight;
  elements.tip.style.left = Math.max(4, Math.min(event.clientX - own.left + 14, own.width - wide - 6)) + 'px';
  elements.tip.style.top = (event.clientY - own.top + 18 + tall > own.height ? event.clientY - own.top - tall - 10 : event.clientY - own.top + 18) + 'px';
}

/** zoomBy zooms around now if it is in sight, else around the middle. */
export function zoomBy(factor) {
  const { from, to } = store.view;
  const t = now();
  zoom(factor, t > from && t < to ? t : (from + to) / 2);
  render();
}

/** toNow moves the now line to the first third. */
export function toNow() {
  const length = store.view.to - store.view.from;
  pan(now() - store.view.from - length / 3);
  render();
}

export function fitAll() { fit(true); render(); }

