// Ties the parts of the page together.
import { h, byId, setText, count, when, words, MINUTE } from './format.js';
import { store, apply, STATES } from './store.js';
import { readTheme } from './draw.js';
import { startTimeline, refresh, render, tick, show, zoomBy, toNow, fitAll } from './timeline.js';
import { renderCards, renderQueue, renderPanel, renderNotes } from './side.js';
import { signIn, detail, follow } from './live.js';

const THEMES = ['auto', 'light', 'dark'];
const dark = matchMedia('(prefers-color-scheme: dark)');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const connection = { open: false, server: true, since: 0, why: '' };
let details = null, asked = null, askedFor = '';

function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* A file may have no storage. */ } }
function recall(key) { try { return localStorage.getItem(key); } catch { return null; } }

// Light and dark.

let theme = THEMES.includes(recall('reboots-theme')) ? recall('reboots-theme') : 'auto';

function applyTheme() {
  document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  byId('theme').setAttribute('aria-label', `Theme: ${theme === 'auto' ? 'as the system' : theme}. Change it`);
  byId('theme').title = theme === 'auto' ? 'Theme: as the system' : 'Theme: ' + theme;
  readTheme();
  render();
}

// Filters.

function renderTools() {
  const policies = [['', 'All policies'], ...store.policies.filter((p) => p.name).map((p) => [p.name, p.name])];
  options(byId('policy'), policies, store.policy);
  options(byId('zone'), [['*', 'All zones'], ...store.zones.map((zone) => [zone, zone ? 'Zone ' + zone : 'No zone'])], store.zone);
  const states = byId('states');
  if (!states.children.length) {
    states.replaceChildren(...STATES.map(([state, label]) => h('button', { type: 'button', 'data-state': state, onclick: () => chooseState(state) },
      h('i', { 'data-state': state, 'aria-hidden': 'true' }), h('span', {}, label))));
  }
  STATES.forEach(([state, label], i) => {
    const button = states.children[i];
    button.setAttribute('aria-pressed', String(store.states.has(state)));
    button.hidden = !store.counts[state] && !store.states.has(state);
    setText(button.lastChild, `${label} ${store.counts[state] || 0}`);
  });
}

function options(select, wanted, value) {
  if (JSON.stringify([...select.options].map((o) => [o.value, o.textContent])) !== JSON.stringify(wanted)) {
    select.replaceChildren(...wanted.map(([v, text]) => h('option', { value: v }, text)));
  }
  select.value = value;
  select.hidden = wanted.length < 3;
}

function chooseState(state) { if (!store.states.delete(state)) store.states.add(state); filtered(); }

function choosePolicy(policy) { store.policy = store.policy === policy ? '' : policy; filtered(); }

function filtered() {
  refresh();
  renderAll();
  say(`${count(store.shown, 'node')} shown`);
}

function renderAll() {
  renderTools();
  renderCards(choosePolicy);
  renderQueue(choose);
}

// The panel.

function choose(node) {
  const before = document.activeElement;
  if (!byId('panel').contains(before)) choose.from = before;
  store.selected = node;
  details = null;
  show(node);
  updatePanel();
  byId('panel').focus();
}

function close() {
  if (!store.selected) return;
  store.selected = '';
  updatePanel();
  render();
  const back = choose.from && document.contains(choose.from) ? choose.from : byId('grid');
  back.focus();
}

function updatePanel() {
  const open = Boolean(store.selected);
  byId('panel').hidden = !open;
  byId('queue').hidden = open && innerWidth >= 820;
  if (!open) return;
  renderPanel(store.rows.get(store.selected), details, close);
  askDetail();
}

async function askDetail() {
  const node = store.selected;
  if (store.static) {
    if (!details) { details = (store.details || {})[node] || {}; renderPanel(store.rows.get(node), details, close); }
    return;
  }
  if (asked && askedFor === node) { asked.again = true; return; }
  if (asked) asked.abort();
  const mine = asked = new AbortController();
  askedFor = node;
  try {
    const answer = await detail(node, mine.signal);
    if (store.selected === node) { details = answer; renderPanel(store.rows.get(node), details, close); }
  } catch { /* The connection says what is wrong. */ }
  if (asked === mine) { asked = null; if (mine.again && store.selected === node) askDetail(); }
}

// Changes.

let news = [], newsTimer = 0;

function onDocument(doc) {
  const start = performance.now();
  if (doc.full || doc.seq !== undefined) onChanges(apply(doc), doc);
  if (doc.server) { connection.server = doc.server.live; connection.since = doc.server.since; connection.why = doc.server.why || ''; }
  renderLive();
  document.documentElement.dataset.seq = String(store.seq);
  document.documentElement.dataset.updateMilliseconds = (performance.now() - start).toFixed(1);
}

function onChanges(changed, doc) {
  setText(byId('cluster'), store.cluster);
  document.title = store.cluster ? `Reboots · ${store.cluster}` : 'Reboots';
  if (doc.notes) renderNotes();
  refresh();
  renderAll();
  if (store.selected && (doc.full || changed.some(({ row }) => row.node === store.selected) || (doc.gone || []).includes(store.selected))) updatePanel();
  if (doc.full) return;
  for (const { row, before } of changed) {
    if (!before || before.state !== row.state || Boolean(before.warn) !== Boolean(row.warn)) news.push(`${row.node}: ${words(row.warn ? row.reason : row.state).toLowerCase()}`);
  }
  if (news.length && !newsTimer) newsTimer = setTimeout(tell, 1500);
}

function tell() {
  newsTimer = 0;
  say(news.slice(0, 3).join('. ') + (news.length > 3 ? `. ${news.length - 3} more changes` : ''));
  news = [];
}

function say(text) { setText(byId('announce'), text); }

function renderLive() {
  const live = byId('live');
  if (store.static) { live.dataset.state = 'static'; setText(byId('live-text'), `As of ${when(store.at, Date.now())}`); return; }
  if (connection.open && connection.server) { live.dataset.state = 'live'; setText(byId('live-text'), 'Live'); return; }
  if (!connection.since) return;
  live.dataset.state = 'stale';
  const why = connection.denied ? 'open the address that the command printed' : connection.open ? connection.why : connection.refused || 'the command is gone';
  setText(byId('live-text'), connection.denied ? `Not signed in: ${why}` : `Not live since ${when(connection.since, Date.now())}: ${why}`);
}

function onState(state, why) {
  connection.refused = why || '';
  if (state === 'closed' && (connection.open || !connection.since)) connection.since = Date.now();
  connection.open = state === 'open';
  connection.denied = state === 'denied';
  if (state === 'denied') connection.since = Date.now();
  renderLive();
}

/** beat moves the now line: as often as it moves by half a pixel. */
function beat() {
  const per = (store.view.to - store.view.from) / 900;
  const least = calm.matches ? 2000 : 120;
  setTimeout(() => {
    if (!document.hidden) tick();
    if (Math.floor(Date.now() / MINUTE) !== beat.minute) { beat.minute = Math.floor(Date.now() / MINUTE); renderAll(); render(); if (store.selected) renderPanel(store.rows.get(store.selected), details, close); }
    beat();
  }, Math.max(least, Math.min(10000, per / 2)));
}

// Keys and colors.

const COLOR_NAMES = [['--drain', 'Draining'], ['--reboot', 'Rebooting'], ['--recover', 'Recovering'], ['--failed', 'Stuck, or not back in time'], ['--rolled', 'Rolled back'], ['--waiting', 'Waiting'],
  ['--reboot', 'Expected', 'hatched'], ['--closed', 'No window is open'], ['--freeze', 'Freeze']];
const KEYS = [['↑ ↓', 'go through zones and nodes'], ['Enter', 'open a node, or open and close a zone'], ['Esc', 'close, or clear the filter'], ['← →', 'open and close a zone; earlier and later'],
  ['+ −', 'zoom'], ['0', 'fit'], ['N', 'now'], ['/', 'filter'], ['Ctrl + wheel', 'zoom; the wheel over the axis, too'], ['Shift + wheel, drag', 'earlier and later']];

function swatch([color, , kind]) {
  const made = h('span', { class: { '--waiting': 'swatch line', '--closed': 'swatch pale', '--freeze': 'swatch pale' }[color] || 'swatch' });
  made.style.background = kind ? `repeating-linear-gradient(135deg, var(${color}) 0 1.5px, transparent 1.5px 4.5px)` : `var(${color})`;
  return made;
}

function foot() { byId('foot').replaceChildren(...COLOR_NAMES.filter(([color]) => color !== '--rolled').map((of) => h('span', {}, swatch(of), of[1]))); }

function legend() {
  byId('legend').replaceChildren(h('h2', {}, 'Keys and colors'),
    h('dl', {}, COLOR_NAMES.flatMap((of) => [h('dt', {}, swatch(of)), h('dd', {}, of[1])])),
    h('p', {}, 'The thin line behind an expected bar ends when the node is back in 9 of 10 forecasts.'),
    h('h3', {}, 'Keys'), h('dl', {}, KEYS.flatMap(([key, text]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, text)])),
    h('form', { method: 'dialog' }, h('button', {}, 'Close')));
  byId('legend').showModal();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId('legend').open) return;
  const typing = event.target.closest('input, select, textarea');
  if (event.key === 'Escape') {
    if (typing === byId('text') && store.text) { byId('text').value = store.text = ''; filtered(); } else close();
    return;
  }
  if (typing) return;
  const act = { '/': () => byId('text').focus(), '+': () => zoomBy(.7), '=': () => zoomBy(.7), '-': () => zoomBy(1 / .7), '0': fitAll, n: toNow, '?': legend }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function listen() {
  byId('theme').addEventListener('click', () => { theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]; remember('reboots-theme', theme); applyTheme(); });
  dark.addEventListener('change', applyTheme);
  byId('help').addEventListener('click', legend);
  byId('tools').addEventListener('submit', (event) => event.preventDefault());
  byId('text').addEventListener('input', (event) => { store.text = event.target.value.trim().toLowerCase(); filtered(); });
  byId('policy').addEventListener('change', (event) => { store.policy = event.target.value; filtered(); });
  byId('zone').addEventListener('change', (event) => { store.zone = event.target.value; filtered(); });
  byId('sort').addEventListener('change', (event) => { store.sort = event.target.value; filtered(); });
  byId('in').addEventListener('click', () => zoomBy(.7));
  byId('out').addEventListener('click', () => zoomBy(1 / .7));
  byId('now').addEventListener('click', toNow);
  byId('fit').addEventListener('click', fitAll);
  addEventListener('keydown', onKey);
  // Someone opened an address of the command in this tab. The page begins again, and removes the token from the address.
  addEventListener('hashchange', () => { if (!store.static && /[#&](token|code)=/.test(location.hash)) location.reload(); });
}

async function start() {
  applyThemeFirst();
  listen();
  foot();
  startTimeline(choose);
  const data = byId('data');
  if (data) {
    store.static = true;
    onDocument(JSON.parse(data.textContent));
    return;
  }
  await signIn();
  beat();
  await follow(() => (store.stream ? `${store.stream}.${store.seq}` : ''), onDocument, onState);
}

function applyThemeFirst() {
  document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  readTheme();
}


start();
