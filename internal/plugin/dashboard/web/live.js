// The connection to the command. The token comes in the fragment of the address, which browsers send to nobody, and stays in this tab.

const KEY = 'reboots-token';
let token = '';

function keep(value) { token = value; try { sessionStorage.setItem(KEY, value); } catch { /* It lasts as long as the page. */ } }

async function ask(path, init) {
  return fetch(path, { ...init, headers: { ...(init && init.headers), Authorization: 'Bearer ' + token }, cache: 'no-store', credentials: 'omit', redirect: 'error' });
}

/** signIn takes the token of the address, and removes it from there. */
export async function signIn() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has('token') || given.has('code')) history.replaceState(null, '', location.pathname);
  if (given.get('token')) { keep(given.get('token')); return; }
  if (given.get('code')) {
    const answer = await fetch('/api/session', { headers: { Authorization: 'Bearer ' + given.get('code') }, cache: 'no-store', credentials: 'omit' });
    if (answer.ok) { keep((await answer.json()).token); return; }
  }
  try { token = sessionStorage.getItem(KEY) || ''; } catch { token = ''; }
}

/** detail asks for what is known about one node. */
export async function detail(node, signal) {
  const answer = await ask('/api/node?name=' + encodeURIComponent(node), { signal });
  if (!answer.ok) return { problem: `The details of this node are missing: ${(await answer.text()).trim()}` };
  return answer.json();
}

/** follow reads what changes until the page is closed. It calls onDocument with what came, and onState with how the connection is. */
export async function follow(last, onDocument, onState) {
  for (let failures = 0; ; failures++) {
    let why = '';
    try {
      const answer = await ask('/api/stream', { headers: last() ? { 'Last-Event-ID': last() } : {} });
      if (answer.status === 401) { onState('denied'); return; }
      if (!answer.ok) { why = (await answer.text()).trim(); throw new Error(why); }
      onState('open');
      await read(answer.body, (event) => { failures = 0; onDocument(event); });
    } catch { /* Said below; the next try may work. */ }
    onState('closed', why);
    await pause(Math.min(10000, 500 * 2 ** Math.min(failures, 5)));
  }
}

/** pause waits, or until the person is back at the page. */
function pause(ms) {
  return new Promise((resolve) => {
    const done = () => { clearTimeout(timer); removeEventListener('focus', done); removeEventListener('online', done); resolve(); };
    const timer = setTimeout(done, ms);
    addEventListener('focus', done);
    addEventListener('online', done);
  });
}

/** read reads server-sent events. Silence for 40 seconds means that the connection is dead: the command sends something every 15. */
async function read(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    let timer;
    const silence = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('silence')), 40000); });
    let part;
    try { part = await Promise.race([reader.read(), silence]); } catch (error) { reader.cancel().catch(() => {}); throw error; } finally { clearTimeout(timer); }
    if (part.done) return;
    rest += part.value;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const data = rest.slice(0, end).split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n');
      rest = rest.slice(end + 2);
      if (data) onEvent(JSON.parse(data));
    }
  }
}
