// What is beside the timeline: cards of policies, the queue, and the panel of a node.
import { h, name, byId, count, exact, day, midnight, when, words, ordinal, ahead, setText } from './format.js';
import { store, now, group } from './store.js';
import { brief } from './timeline.js';

const TONES = { InForce: 'good', Halted: 'bad', Invalid: 'bad', Paused: 'warn', Observing: 'warn', Shadowed: 'warn', Overlap: 'warn' };

/** renderCards shows each policy: how far it is, when it will be done, and its window. */
export function renderCards(onChoose) {
  const cards = byId('policies');
  const shown = store.policies.filter((policy) => policy.name);
  const before = new Map([...cards.children].map((element) => [element.dataset.policy, element]));
  const after = shown.map((policy) => {
    const made = JSON.stringify([policy, store.policy === policy.name, Math.floor(now() / 60000)]);
    const old = before.get(policy.name);
    if (old && old.made === made) return old;
    const element = card(policy, onChoose);
    element.made = made;
    if (old && old === document.activeElement) queueMicrotask(() => element.focus());
    return element;
  });
  if (after.length !== cards.children.length || after.some((element, i) => cards.children[i] !== element)) cards.replaceChildren(...after);
}

function card(policy, onChoose) {
  const total = policy.proved + policy.underWay + policy.waiting + policy.failed;
  const parts = [['proved', policy.proved], ['underway', policy.underWay], ['failed', policy.failed], ['waiting', policy.waiting]].filter(([, n]) => n);
  const meter = h('div', { class: 'meter', 'aria-hidden': 'true' }, parts.map(([kind, n]) => { const part = h('i', { class: kind }); part.style.flex = String(n); return part; }));
  const element = h('button', { type: 'button', class: 'card', 'aria-pressed': String(store.policy === policy.name), onclick: () => onChoose(policy.name) },
    h('div', { class: 'head' }, name(policy.name, { class: 'title' }), policy.summary && h('span', { class: 'chip ' + (TONES[policy.summary] || '') }, words(policy.summary)),
      h('span', { class: 'sum' }, total ? [h('b', {}, String(policy.proved)), ` of ${total} proved`] : 'Nothing to reboot')),
    meter, h('div', { class: 'facts' }, facts(policy)));
  element.dataset.policy = policy.name;
  return element;
}

function facts(policy) {
  const t = now(), all = [];
  if (policy.underWay) all.push([h('b', {}, String(policy.underWay)), ' under way']);
  if (policy.waiting) all.push([h('b', {}, String(policy.waiting)), ' waiting']);
  if (policy.failed) all.push([h('b', {}, String(policy.failed)), ' failed']);
  if (policy.finish) all.push(['Done about ', h('b', {}, when(policy.finish, t)), policy.finishLate > policy.finish ? `, by ${when(policy.finishLate, t)} at 90%` : '']);
  if (policy.never) all.push([h('b', {}, String(policy.never)), ' not known to finish']);
  if (policy.window === 'Open') all.push(['Window open', policy.closes ? [' until ', h('b', {}, when(policy.closes, t))] : '']);
  if (policy.window === 'Closed') all.push(['Window closed', policy.opens ? [', opens ', h('b', {}, when(policy.opens, t))] : '']);
  if (policy.window === 'Frozen') all.push(['Frozen by ', name(policy.freeze || 'a freeze'), policy.opens ? [', opens ', h('b', {}, when(policy.opens, t))] : '']);
  if (!all.length) all.push([count(policy.nodes, 'node')]);
  return all.map((fact) => h('span', {}, ...fact.flat()));
}

/** renderQueue shows who is under way and who is next, and at most so many. */
export function renderQueue(onChoose) {
  const most = 60, t = now();
  const rows = [...store.rows.values()].filter((row) => (!store.policy || row.policy === store.policy) && (store.zone === '*' || (row.zone || '') === store.zone));
  const underWay = rows.filter((row) => group(row.state) === 'UnderWay' || (row.state === 'Failed' && row.open));
  const waiting = rows.filter((row) => row.state === 'Waiting')
    .sort((a, b) => (a.start || Infinity) - (b.start || Infinity) || (a.queue || 1e9) - (b.queue || 1e9) || (a.node < b.node ? -1 : 1) || 0);
  underWay.sort((a, b) => Number(Boolean(b.warn)) - Number(Boolean(a.warn)) || a.turn - b.turn);
  const children = [h('header', {}, h('h2', {}, 'Next up'), h('span', {}, `${count(underWay.length, 'node')} under way, ${waiting.length} waiting`))];
  if (underWay.length) children.push(h('h3', {}, 'Under way'), h('ul', {}, underWay.slice(0, most).map((row) => item(row, row.back ? `back ${ahead(row.back, t)}` : '', onChoose))));
  if (waiting.length) children.push(h('h3', {}, 'Waiting'), h('ol', {}, waiting.slice(0, most).map((row) => item(row, row.start ? when(row.start, t) : row.queue ? ordinal(row.queue) : '', onChoose))));
  if (waiting.length > most) children.push(h('p', { class: 'none' }, `and ${waiting.length - most} more`));
  if (!underWay.length && !waiting.length) children.push(h('p', { class: 'none' }, 'No node needs a reboot.'));
  const queue = byId('queue');
  if (children.length === queue.children.length && children.every((child, i) => child.isEqualNode(queue.children[i]))) return;
  const focused = queue.contains(document.activeElement) ? document.activeElement.dataset.node : undefined;
  const top = queue.scrollTop;
  queue.replaceChildren(...children);
  queue.scrollTop = top;
  if (focused) [...queue.querySelectorAll('button')].find((button) => button.dataset.node === focused)?.focus();
}

function item(row, at, onChoose) {
  const more = row.warn || !row.start ? words(row.reason) : [row.zone ? `zone ${row.zone}` : '', row.queue ? `${ordinal(row.queue)} of ${row.of}` : words(row.reason)].filter(Boolean).join(' · ');
  return h('li', {}, h('button', { type: 'button', class: row.warn ? 'warn' : '', 'data-node': row.node, onclick: () => onChoose(row.node) },
    h('i', { class: 'dot', 'data-state': row.state, 'aria-hidden': 'true' }), name(row.node), h('span', { class: 'when' }, at),
    more && h('span', { class: 'more' }, group(row.state) === 'UnderWay' && !row.warn ? `${brief(row)}${row.zone ? ` · zone ${row.zone}` : ''}` : more)));
}

/** renderPanel shows a node: why, what happened, and what to type. */
export function renderPanel(row, detail, onClose) {
  const panel = byId('panel'), t = now();
  const head = h('header', {}, h('h2', { id: 'panel-title' }, name(row ? row.node : store.selected)),
    h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close, and show the queue', onclick: onClose }, h('span', { 'aria-hidden': 'true' }, '✕')));
  const children = [head];
  if (row) {
    children.push(h('div', { class: 'tags' }, h('i', { class: 'dot', 'data-state': row.state, 'aria-hidden': 'true' }), h('span', {}, row.state === 'Idle' ? 'Nothing to do' : words(row.state)),
      row.reason && row.reason !== row.state && h('span', { class: 'chip ' + (row.warn ? 'bad' : '') }, words(row.reason)),
      row.zone && h('span', { class: 'chip' }, 'zone ', name(row.zone)), row.policy && h('span', { class: 'chip' }, 'policy ', name(row.policy)),
      row.controlPlane && h('span', { class: 'chip' }, 'control plane')));
    const why = (detail && detail.why) || row.message;
    if (why) children.push(h('h3', {}, 'Why'), h('p', { class: 'why' + (row.warn ? ' warn' : ''), id: 'why' }, name(why)));
    children.push(...expected(row, t));
  } else children.push(h('p', {}, 'This node is gone, and so are its NodeReboots.'));
  if (detail && detail.problem) children.push(h('p', { class: 'why warn' }, detail.problem));
  if (detail && detail.commands && detail.commands.length) children.push(h('h3', {}, 'What to type'), ...detail.commands.map(command));
  if (detail && detail.story) children.push(h('h3', {}, 'What happened'), detail.story.length ? story(detail.story) : h('p', {}, 'Nothing is recorded in this time.'));
  const inside = panel.contains(document.activeElement) && document.activeElement !== panel;
  const label = inside ? document.activeElement.getAttribute('aria-label') : '';
  const top = panel.scrollTop;
  panel.setAttribute('aria-labelledby', 'panel-title');
  panel.replaceChildren(...children);
  panel.scrollTop = top;
  if (inside) ([...panel.querySelectorAll('button')].find((button) => button.getAttribute('aria-label') === label) || panel).focus();
}

function expected(row, t) {
  const lines = [];
  if (row.state === 'Waiting' && row.queue) lines.push(['Queue', `${ordinal(row.queue)} of ${row.of}${row.zone ? ` in zone ${row.zone}` : ''}`]);
  if (row.state === 'Waiting' && row.start) lines.push(['Starts', `about ${when(row.start, t)}, ${ahead(row.start, t)}`]);
  if (row.back && row.back > t - 60000) lines.push(['Back', `about ${when(row.back, t)}${row.late > row.back ? `, by ${when(row.late, t)} at 90%` : ''}`]);
  if (row.until && row.until > t) lines.push(['Until', `${when(row.until, t)}, ${ahead(row.until, t)}`]);
  if (row.obstacle) lines.push(['Forecast', row.obstacle]);
  if (!lines.length) return [];
  return [h('h3', {}, 'Expected'), h('dl', { class: 'when' }, lines.flatMap(([term, text]) => [h('dt', {}, term), h('dd', {}, text)]))];
}

function story(entries) {
  let last = midnight(now());
  const items = [];
  for (const entry of entries) {
    const of = midnight(entry.at);
    if (of !== last) { items.push(h('li', { class: 'day' }, day(entry.at))); last = of; }
    items.push(h('li', { class: entry.warning ? 'warn' : '' }, h('time', { datetime: new Date(entry.at).toISOString() }, exact(entry.at)), name(entry.text)));
  }
  return h('ol', { class: 'story' }, items);
}

function command(text) {
  const button = h('button', { type: 'button', 'aria-label': 'Copy: ' + text }, 'Copy');
  button.addEventListener('click', async () => {
    setText(button, await copy(text) ? 'Copied' : 'Press Ctrl+C');
    setTimeout(() => setText(button, 'Copy'), 2000);
  });
  return h('div', { class: 'command' }, h('code', {}, text), button);
}

/** copy copies a text; where the browser lets no page do that, it selects it. */
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* A file has no clipboard in some browsers. */ }
  const code = [...document.querySelectorAll('.command code')].find((element) => element.textContent === text);
  if (!code) return false;
  getSelection().selectAllChildren(code);
  return document.execCommand('copy');
}

/** renderNotes says what the page cannot show. */
export function renderNotes() {
  const notes = byId('notes');
  notes.hidden = !store.notes.length;
  notes.replaceChildren(...store.notes.map((note) => h('p', {}, name(note))));
}

