// The playground: one /v1/rerank and one /v1/explain request per target, shown side by side.
// Texts are inserted with textContent alone. Paths are relative, so that the gateway may be mounted under a prefix.

const MOST_TARGETS = 4;
const FILTER_FROM = 13; // targets from which on they can be filtered
const KEY_NAME = 'rerank-unify-key';
const SVG = 'http://www.w3.org/2000/svg';
const EXAMPLE = {
  query: 'organic skincare for sensitive skin',
  documents: [
    'New makeup trends focus on bold colors and innovative techniques.',
    'Organic skincare with aloe vera and chamomile, gentle to sensitive skin.',
    'Bio-Hautpflege für empfindliche Haut mit Aloe Vera und Kamille.',
    'Motor oil for engines that are sensitive to heat.',
    'Cuidado de la piel orgánico para piel sensible con aloe vera y manzanilla.',
    'How to return an order: organic food is excluded.',
    '针对敏感肌专门设计的天然有机护肤产品。',
    'Sunscreen with a light texture, tested by dermatologists.',
  ],
};

const byId = (id) => document.getElementById(id);

/** Create an element with a class and children; strings become text. */
function element(name, className = '', ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

// --- requests to the gateway -----------------------------------------------------------------------------------------

const readKey = () => sessionStorage.getItem(KEY_NAME);

/** Send a request, and return status, headers and JSON. Status 0: no response, with a sentence that says so. */
async function send(path, body, signal) {
  const headers = readKey() === null ? {} : { authorization: `Bearer ${readKey()}` };
  const options = { headers, signal, cache: 'no-store' };
  if (body !== undefined) {
    Object.assign(options, { method: 'POST', body: JSON.stringify(body) });
    headers['content-type'] = 'application/json';
  }
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: parseJson(text) };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { status: 0, headers: new Headers(), json: { detail: 'The gateway does not respond. Try again in a moment.' } };
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) || 'The response has no body.' };
  }
}

/** Return the sentence of an error response in Jina's dialect. */
function messageOf({ json, status }) {
  const detail = json?.detail ?? json?.message;
  return typeof detail === 'string' ? detail : `HTTP ${status} without a message.`;
}

// --- the key ---------------------------------------------------------------------------------------------------------

function showKeyState() {
  byId('forget-key').hidden = readKey() === null;
}

function promptForKey(reason) {
  byId('key-reason').textContent = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
  byId('key').value = '';
  if (!byId('key-dialog').open) byId('key-dialog').showModal();
}

function useKey(event) {
  event.preventDefault();
  sessionStorage.setItem(KEY_NAME, byId('key').value.trim());
  byId('key-dialog').close();
  showKeyState();
  loadTargets();
}

function forgetKey() {
  sessionStorage.removeItem(KEY_NAME);
  showKeyState();
  loadTargets();
}

// --- targets ---------------------------------------------------------------------------------------------------------

/** Read the model names that the gateway serves. A 401 opens the prompt for the key. */
async function loadTargets() {
  const response = await send('v1/models');
  if (response.status === 401) {
    sessionStorage.removeItem(KEY_NAME);
    showKeyState();
    promptForKey(messageOf(response).split(':')[0]);
  }
  if (response.status !== 200) {
    return showTargetsProblem(messageOf(response));
  }
  const chosen = new Set(chosenTargets());
  const rows = response.json.data;
  byId('targets').replaceChildren(...groupsOf(rows, chosen.size ? chosen : new Set(rows.slice(0, 2).map(({ id }) => id))));
  byId('filter').hidden = rows.length < FILTER_FROM;
  setProblem('targets', rows.length ? '' : 'This gateway serves no model by name: set a provider’s key, or configure a route.');
  limitTargets();
}

function showTargetsProblem(message) {
  const retry = element('button', '', 'Try again');
  retry.type = 'button';
  retry.addEventListener('click', loadTargets);
  byId('targets').replaceChildren(retry);
  setProblem('targets', message);
}

function groupsOf(rows, chosen) {
  const owners = [...new Set(rows.map((row) => row.owned_by))];
  return owners.map((owner) => {
    const group = element('div', 'group', element('span', 'owner', owner));
    group.append(...rows.filter((row) => row.owned_by === owner).map(({ id }) => targetChoice(id, chosen.has(id))));
    return group;
  });
}

function targetChoice(name, checked) {
  const box = element('input');
  Object.assign(box, { type: 'checkbox', name: 'target', value: name, checked });
  return element('label', 'choice', box, element('span', '', name));
}

const targetBoxes = () => [...document.querySelectorAll('input[name=target]')];
const chosenTargets = () => targetBoxes().filter((box) => box.checked).map((box) => box.value);

/** Disable the other targets once four are chosen. */
function limitTargets() {
  const full = chosenTargets().length >= MOST_TARGETS;
  for (const box of targetBoxes()) box.disabled = full && !box.checked;
  byId('targets-hint').textContent = full ? 'four are chosen, the most' : 'up to four';
}

function filterTargets() {
  const wanted = byId('filter').value.trim().toLowerCase();
  for (const group of byId('targets').children) {
    const owner = group.firstChild.textContent.toLowerCase();
    for (const choice of group.querySelectorAll('.choice')) {
      const shown = choice.textContent.toLowerCase().includes(wanted) || owner.includes(wanted);
      choice.hidden = !shown && !choice.firstChild.checked;
    }
    group.hidden = !group.querySelector('.choice:not([hidden])');
  }
}

// --- the form --------------------------------------------------------------------------------------------------------

function setProblem(name, message) {
  const problem = byId(`${name}-error`);
  problem.textContent = message;
  problem.hidden = !message;
  byId(name).setAttribute('aria-invalid', String(Boolean(message)));
}

/** Return the request, or null after each problem is shown beside its field. */
function readRequest() {
  const query = byId('query').value.trim();
  const documents = byId('documents').value.split('\n').map((line) => line.trim()).filter(Boolean);
  const targets = chosenTargets();
  setProblem('query', query ? '' : 'Type a query.');
  setProblem('documents', documents.length ? '' : 'Type documents, one per line.');
  if (targetBoxes().length) setProblem('targets', targets.length ? '' : 'Choose a target.');
  const wrong = document.querySelector('#request [aria-invalid=true]');
  (wrong?.querySelector('input, button') ?? wrong)?.focus();
  return wrong ? null : { query, documents, targets };
}

function loadExample() {
  byId('query').value = EXAMPLE.query;
  byId('documents').value = EXAMPLE.documents.join('\n');
  setProblem('query', '');
  setProblem('documents', '');
}

// --- compare ---------------------------------------------------------------------------------------------------------

let running = new AbortController();

async function compare(event) {
  event?.preventDefault();
  const request = readRequest();
  if (!request) return;
  running.abort(); // a second comparison replaces one that still runs
  const { signal } = (running = new AbortController());
  const columns = request.targets.map(newColumn);
  showColumns(columns, request.targets.length);
  const ranked = columns.map((column) => rank(column, request, signal));
  const explained = columns.map((column) => explain(column, request, signal));
  try {
    const responses = await Promise.all(ranked);
    byId('results').setAttribute('aria-busy', 'false');
    announce(request, responses);
    await Promise.all(explained);
    if (responses.some(({ status }) => status === 401)) loadTargets(); // asks for the key if it is the gateway’s
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

function showColumns(columns, count) {
  byId('empty').hidden = true;
  byId('results').setAttribute('aria-busy', 'true');
  byId('status').textContent = 'Ranking …';
  byId('columns').dataset.count = count;
  byId('columns').replaceChildren(...columns.map((column) => column.root), linesLayer());
}

function announce({ documents, targets }, responses) {
  const failed = responses.filter(({ status }) => status !== 200).length;
  const ranked = `${count(documents.length, 'document')}, ${count(targets.length, 'target')}`;
  byId('status').textContent = failed ? `${ranked}, ${failed} failed` : ranked;
}

const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

function newColumn(target) {
  const facts = element('dl', 'facts');
  const notes = element('ul', 'notes');
  const list = element('ol', 'ranking', ...Array.from({ length: 4 }, () => element('li', 'waiting')));
  const sent = element('div', 'sent');
  const title = element('h2', '', target);
  const root = element('article', 'column', element('header', '', title, facts), notes, list, sent);
  root.setAttribute('aria-label', target);
  return { target, root, facts, notes, list, sent };
}

async function rank(column, { query, documents }, signal) {
  const started = performance.now();
  const body = { model: column.target, query, documents, return_documents: false };
  const response = await send('v1/rerank', body, signal);
  showFacts(column, response, performance.now() - started);
  if (response.status === 200 && Array.isArray(response.json?.results)) {
    showRanking(column, response, documents);
  } else {
    showError(column, response);
  }
  drawLines();
  return response;
}

function showFacts({ facts }, { headers, json }, milliseconds) {
  const tokens = json?.usage?.total_tokens;
  const named = [headers.get('x-rerank-provider'), headers.get('x-rerank-model')].filter(Boolean).join(' · ');
  const rows = {
    Model: named,
    Time: milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`,
    Usage: Number.isFinite(tokens) ? count(tokens, 'token') : 'not reported',
    Cached: headers.get('x-rerank-cached') ?? '',
  };
  for (const [name, value] of Object.entries(rows)) {
    if (value) facts.append(element('div', '', element('dt', '', name), element('dd', '', value)));
  }
}

function showRanking(column, { headers, json }, documents) {
  const scores = json.results.map((row) => row.relevance_score);
  const scale = scaleOf(scores);
  column.list.replaceChildren(...json.results.map((row, at) => rankedRow(row, at, documents[row.index], scale)));
  const missing = documents.length - json.results.length;
  const lost = (headers.get('x-rerank-losses') ?? '').split(',').filter(Boolean);
  addNote(column, 'attempts', attemptsOf(headers));
  addNote(column, 'warning', headers.get('x-rerank-warnings'));
  addNote(column, 'warning', headers.get('x-rerank-reranked') === 'false' && 'No model ranked: this is the order of the request');
  addNote(column, 'warning', missing > 0 && `${count(missing, 'document')} without a score`);
  for (const loss of lost) addNote(column, 'loss', loss.replace('=', ' '));
  if (!lost.length) addNote(column, 'whole', 'Nothing is lost');
  column.list.querySelector('button')?.setAttribute('tabindex', '0');
}

function addNote({ notes }, kind, text) {
  if (text) notes.append(element('li', kind, text));
}

/** Return the attempts as text where there was more than one; a single one says nothing new. */
function attemptsOf(headers) {
  const attempts = (headers.get('x-rerank-attempts') ?? '').split(',').filter(Boolean);
  return attempts.length > 1 && `Attempts: ${attempts.map((attempt) => attempt.replace('=', ' ')).join(', then ')}`;
}

/** Return the function from a score to a share of the bar: from 0, or from the lowest score if that is below 0. */
function scaleOf(scores) {
  const low = Math.min(0, ...scores);
  const high = Math.max(...scores);
  return (score) => (high > low ? (score - low) / (high - low) : 0);
}

function rankedRow(row, at, text, scale) {
  const bar = element('span', 'bar', element('span', ''));
  bar.firstChild.style.width = `${100 * scale(row.relevance_score)}%`;
  const score = element('span', 'score', bar, element('span', 'number', formatScore(row.relevance_score)));
  const button = element('button', 'row', element('span', 'rank', String(at + 1)), element('span', 'text', text), score);
  Object.assign(button, { type: 'button', tabIndex: -1 });
  button.dataset.index = row.index;
  button.setAttribute('aria-expanded', 'false');
  return element('li', '', button);
}

function formatScore(score) {
  return Math.abs(score) >= 100 ? score.toFixed(1) : Math.abs(score) >= 0.001 || score === 0 ? score.toFixed(4) : score.toExponential(2);
}

function showError(column, response) {
  column.root.classList.add('failed');
  const status = response.status ? `HTTP ${response.status}` : 'No response';
  const error = element('div', 'error', element('strong', '', status), element('p', '', messageOf(response)));
  error.setAttribute('role', 'alert');
  const wait = response.headers.get('retry-after');
  if (wait) error.append(element('p', 'hint', `It may be tried again after ${count(Number(wait), 'second')}.`));
  addNote(column, 'attempts', attemptsOf(response.headers));
  column.list.replaceWith(error);
}

// --- the requests that providers receive -----------------------------------------------------------------------------

async function explain(column, { query, documents }, signal) {
  const response = await send('v1/explain', { model: column.target, query, documents, return_documents: false }, signal);
  const targets = response.json?.targets;
  if (response.status === 200 && Array.isArray(targets)) column.sent.append(...targets.map(sentRequest));
}

function sentRequest({ provider, method, url, headers, body, losses, calls, error }, at) {
  const split = calls > 1 ? `, the first of ${calls}` : '';
  const title = at ? `Request to ${provider} if the target before fails` : `Request to ${provider}`;
  const details = element('details', '', element('summary', '', `${title}${split}`));
  if (error) {
    details.append(element('p', '', error));
    return details;
  }
  for (const loss of losses) details.append(element('p', 'loss', `${loss.field} ${loss.action}: ${loss.reason}`));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const text = [`${method} ${url}`, ...lines, '', JSON.stringify(body, null, 2)].join('\n');
  const shown = element('pre', '', text);
  shown.tabIndex = 0; // so that it can be scrolled by keyboard
  details.append(shown);
  return details;
}

// --- lines between the same documents of neighbouring columns ---------------------------------------------------------

function linesLayer() {
  const layer = document.createElementNS(SVG, 'svg');
  layer.setAttribute('class', 'lines');
  layer.setAttribute('aria-hidden', 'true');
  return layer;
}

function drawLines() {
  const layer = document.querySelector('.lines');
  if (!layer) return;
  layer.replaceChildren();
  const columns = [...document.querySelectorAll('.column')];
  if (getComputedStyle(layer).display === 'none') return;
  const origin = layer.getBoundingClientRect();
  columns.slice(1).forEach((column, at) => layer.append(...linesBetween(columns[at], column, origin)));
}

function linesBetween(left, right, origin) {
  const ends = new Map([...right.querySelectorAll('.row')].map((row) => [row.dataset.index, row]));
  const pairs = [...left.querySelectorAll('.row')].map((row) => [row, ends.get(row.dataset.index)]);
  return pairs.filter(([, end]) => end).map(([row, end]) => lineOf(row, end, origin));
}

function lineOf(row, end, origin) {
  const from = row.getBoundingClientRect();
  const to = end.getBoundingClientRect();
  const [x1, y1] = [from.right - origin.left, (from.top + from.bottom) / 2 - origin.top];
  const [x2, y2] = [to.left - origin.left, (to.top + to.bottom) / 2 - origin.top];
  const middle = (x1 + x2) / 2;
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`);
  path.setAttribute('data-index', row.dataset.index);
  return path;
}

/** Mark one document in every column, and its lines; null for none. */
function markDocument(index) {
  for (const marked of document.querySelectorAll('[data-index]')) {
    marked.classList.toggle('marked', marked.dataset.index === index);
  }
}

/** Show the whole text of a document in every column, or two lines of it. */
function toggleText(index) {
  for (const row of document.querySelectorAll(`.row[data-index="${index}"]`)) {
    row.setAttribute('aria-expanded', String(row.getAttribute('aria-expanded') !== 'true'));
  }
  drawLines();
}

/** Move the focus in and between the columns with the arrow keys: each column is one stop of the Tab key. */
function moveFocus(event) {
  const row = event.target.closest('.row');
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const side = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!row || !(step || side)) return;
  const lists = [...document.querySelectorAll('.ranking')];
  const list = row.closest('.ranking');
  const next = step
    ? [...list.querySelectorAll('.row')].at([...list.children].indexOf(row.parentElement) + step)
    : lists[lists.indexOf(list) + side]?.querySelector(`.row[data-index="${row.dataset.index}"]`);
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function keepOneStop(row) {
  for (const other of row.closest('.ranking').querySelectorAll('.row')) other.tabIndex = other === row ? 0 : -1;
}

// --- events ----------------------------------------------------------------------------------------------------------

function listen() {
  const columns = byId('columns');
  const rowOf = (event) => event.target.closest('.row');
  byId('request').addEventListener('submit', compare);
  byId('request').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) compare(event);
  });
  byId('example').addEventListener('click', loadExample);
  byId('targets').addEventListener('change', limitTargets);
  byId('filter').addEventListener('input', filterTargets);
  byId('key-form').addEventListener('submit', useKey);
  byId('cancel-key').addEventListener('click', () => byId('key-dialog').close());
  byId('forget-key').addEventListener('click', forgetKey);
  columns.addEventListener('pointerover', (event) => markDocument(rowOf(event)?.dataset.index ?? null));
  columns.addEventListener('pointerleave', () => markDocument(null));
  columns.addEventListener('focusin', (event) => {
    markDocument(rowOf(event)?.dataset.index ?? null);
    if (rowOf(event)) keepOneStop(rowOf(event));
  });
  columns.addEventListener('click', (event) => rowOf(event) && toggleText(rowOf(event).dataset.index));
  columns.addEventListener('keydown', moveFocus);
  new ResizeObserver(drawLines).observe(columns);
}

listen();
showKeyState();
loadTargets();
