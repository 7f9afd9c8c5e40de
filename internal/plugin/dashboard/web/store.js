// What the page knows: the document of the server, and what of it the person looks at.
import { MINUTE, HOUR, DAY } from './format.js';

export const STATES = [['UnderWay', 'Under way'], ['Waiting', 'Waiting'], ['Failed', 'Failed'], ['Proved', 'Proved'], ['Idle', 'Other']];
const GROUPS = { Draining: 'UnderWay', Rebooting: 'UnderWay', Recovering: 'UnderWay', RolledBack: 'UnderWay', Waiting: 'Waiting', Failed: 'Failed', Proved: 'Proved' };

/** group of a state, for the filter. */
export function group(state) { return GROUPS[state] || 'Idle'; }

export const store = {
  stream: '', seq: 0, at: 0, cluster: '', from: 0, to: 0, static: false,
  zones: [], policies: [], shades: new Map(), notes: [], rows: new Map(), ranks: new Map(), details: null,
  text: '', policy: '', zone: '*', states: new Set(), sort: 'turn', collapsed: new Set(), selected: '', active: '',
  view: { from: 0, to: 1, auto: true },
  lines: [], counts: {}, shown: 0,
};

/** now is the time that the page is about: that of the file, or the clock's. */
export function now() { return store.static ? store.at : Date.now(); }

/** apply takes a document, or the changed parts of one, and returns the rows that changed. */
export function apply(doc) {
  const changed = [];
  if (doc.full) { store.rows.clear(); store.stream = doc.stream; }
  store.seq = doc.seq;
  for (const field of ['at', 'cluster', 'from', 'to', 'zones', 'policies', 'notes', 'details']) if (doc[field] !== undefined) store[field] = doc[field];
  if (doc.shades) {
    store.shades = new Map();
    for (const shade of doc.shades) {
      const of = store.shades.get(shade.policy) || { windows: [], freezes: [] };
      (shade.kind === 'Freeze' ? of.freezes : of.windows).push(shade);
      store.shades.set(shade.policy, of);
    }
  }
  for (const row of doc.rows || []) {
    const before = store.rows.get(row.node);
    row.search = [row.node, row.reason, row.message, row.policy, row.zone].join(' ').toLowerCase();
    row.turn = turnOf(row);
    store.rows.set(row.node, row);
    changed.push({ row, before });
  }
  for (const node of doc.gone || []) store.rows.delete(node);
  if (doc.full || doc.gone || changed.some(({ before }) => !before)) rank();
  return changed;
}

/** turnOf is when the node had, or has, its turn. */
function turnOf(row) {
  let turn = Infinity;
  for (const bar of row.bars || []) if (bar.kind !== 'Waiting') turn = bar.from;
  if (row.start && row.state === 'Waiting') return row.start;
  return turn;
}

const names = new Intl.Collator('en', { numeric: true });

/** rank puts the nodes in the order of their names, numbers as numbers. That is slow, and names seldom change. */
function rank() {
  const rows = [...store.rows.values()].sort((a, b) => names.compare(a.node, b.node));
  store.ranks = new Map(rows.map((row, i) => [row.node, i]));
}

function shows(row) {
  if (store.policy && row.policy !== store.policy) return false;
  if (store.zone !== '*' && (row.zone || '') !== store.zone) return false;
  return !store.text || store.text.split(/\s+/).every((word) => row.search.includes(word));
}

/** arrange makes the lines to show: each zone, and below it its nodes. */
export function arrange() {
  const zones = new Map(store.zones.map((zone) => [zone, []]));
  const counts = {};
  for (const row of store.rows.values()) {
    if (!shows(row)) continue;
    const of = group(row.state);
    counts[of] = (counts[of] || 0) + 1;
    if (store.states.size && !store.states.has(of)) continue;
    const zone = row.zone || '';
    if (!zones.has(zone)) zones.set(zone, []);
    zones.get(zone).push(row);
  }
  const byName = (a, b) => store.ranks.get(a.node) - store.ranks.get(b.node);
  const order = store.sort === 'name' ? byName : (a, b) => (a.turn === b.turn ? 0 : a.turn - b.turn) || byName(a, b);
  store.counts = counts;
  store.lines = [];
  store.shown = 0;
  for (const [zone, rows] of zones) {
    if (!rows.length) continue;
    rows.sort(order);
    store.shown += rows.length;
    store.lines.push({ key: 'zone:' + zone, zone, rows });
    if (!store.collapsed.has(zone)) for (const row of rows) store.lines.push({ key: row.node, row });
  }
}

/** span of time that matters now: the latest attempts, and what is expected. */
function matters() {
  const t = now();
  let from = t, to = t, last = 0;
  for (const row of store.rows.values()) {
    if (!shows(row)) continue;
    for (const bar of row.bars || []) if (bar.kind !== 'Waiting' && !bar.forecast) last = Math.max(last, bar.to || t);
  }
  const recent = last > t - 12 * HOUR ? t - 12 * HOUR : last - 6 * HOUR;
  for (const row of store.rows.values()) {
    if (!shows(row)) continue;
    for (const bar of row.bars || []) {
      if (bar.forecast) to = Math.max(to, bar.to);
      else if (bar.kind !== 'Waiting' && (bar.to || t) >= recent) from = Math.min(from, Math.max(bar.from, t - 7 * DAY));
    }
    if (row.late) to = Math.max(to, row.late);
  }
  return { from, to: Math.min(to, t + 30 * DAY) };
}

/** fit shows what matters. Unless it is forced, nothing moves while everything is in sight. */
export function fit(force) {
  if (!store.view.auto && !force) return;
  const { from, to } = matters();
  const length = Math.max(to - from, 4 * MINUTE);
  const { view } = store;
  const inSight = view.from <= from && view.to >= to && view.to - view.from < length * 1.8 && now() < view.to - (view.to - view.from) * .05;
  if (inSight && !force) return;
  const t = now();
  view.from = from - length * .04;
  view.to = Math.max(to + length * .06, t + length * .22);
  view.auto = true;
}

/** zoom by a factor around a time. */
export function zoom(factor, around) {
  const { view } = store;
  const length = Math.min(400 * DAY, Math.max(20000, (view.to - view.from) * factor));
  const share = (around - view.from) / (view.to - view.from);
  view.from = around - length * share;
  view.to = view.from + length;
  view.auto = false;
}

export function pan(ms) {
  store.view.from += ms;
  store.view.to += ms;
  store.view.auto = false;
}
