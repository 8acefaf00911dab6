// The playground: one /v1/rerank and one /v1/explain request per target, shown side by side.
// Texts are inserted with textContent alone. Paths are relative: the gateway may be mounted under a prefix.

const MAX_TARGETS = 4;
const KEY_NAME = 'rerank-unify-key'; // in sessionStorage
const NO_RESPONSE = 'The gateway does not respond. Try again in a moment.';
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
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

/** Create an element with a class and children; strings become text. */
function element(name, className = '', ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function svgElement(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// --- requests to the gateway -----------------------------------------------------------------------------------------

/** Send a request. The result has status, headers and JSON; status 0 means that there was no response. */
async function send(path, body, signal) {
  const key = sessionStorage.getItem(KEY_NAME);
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const options = { headers, signal, cache: 'no-store' };
  if (body) {
    headers['content-type'] = 'application/json';
    Object.assign(options, { method: 'POST', body: JSON.stringify(body) });
  }
  try {
    const response = await fetch(path, options);
    return { status: response.status, headers: response.headers, json: parseJson(await response.text()) };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { status: 0, headers: new Headers(), json: { detail: NO_RESPONSE } };
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) };
  }
}

const messageOf = ({ json }) => String(json?.detail || 'The response has no message.');

// --- the gateway key -------------------------------------------------------------------------------------------------

/** Store the key, or forget it where it is null, and read the targets again. */
function changeKey(key) {
  if (key === null) sessionStorage.removeItem(KEY_NAME);
  else sessionStorage.setItem(KEY_NAME, key);
  byId('forget-key').hidden = key === null;
  loadTargets();
}

function promptForKey(problem) {
  setProblem('key', problem);
  byId('key').value = '';
  if (!byId('key-dialog').open) byId('key-dialog').showModal();
}

function submitKey(event) {
  event.preventDefault();
  byId('key-dialog').close();
  changeKey(byId('key').value.trim());
}

// --- the form --------------------------------------------------------------------------------------------------------

/** Read the model names that the gateway serves. A 401 opens the prompt for the key. */
async function loadTargets() {
  const response = await send('v1/models');
  if (response.status !== 200) {
    const retry = element('button', '', response.status === 401 ? 'Enter a key' : 'Try again');
    retry.type = 'button';
    retry.addEventListener('click', loadTargets);
    byId('targets').replaceChildren(retry);
    setProblem('targets', messageOf(response));
    if (response.status === 401) promptForKey(sessionStorage.getItem(KEY_NAME) && messageOf(response));
    return;
  }
  const models = response.json.data;
  const chosen = chosenTargets();
  const checked = new Set(chosen.length ? chosen : models.slice(0, 2).map(({ id }) => id));
  const owners = [...new Set(models.map((model) => model.owned_by))].sort();
  byId('targets').replaceChildren(...owners.map((owner) => targetGroup(owner, models, checked)));
  setProblem('targets', models.length ? '' : 'No model is served: set a provider’s key, or configure a route.');
  limitTargets();
}

function targetGroup(owner, models, checked) {
  const choices = models.filter((model) => model.owned_by === owner).map(({ id }) => {
    const box = element('input');
    Object.assign(box, { type: 'checkbox', name: 'target', value: id, checked: checked.has(id) });
    return element('label', 'choice', box, element('span', '', id));
  });
  return element('div', 'group', element('span', 'owner', owner), ...choices);
}

const chosenTargets = () => all('input[name=target]:checked').map((box) => box.value);

/** Disable the other targets once four are chosen. */
function limitTargets() {
  const chosen = chosenTargets().length;
  const full = chosen >= MAX_TARGETS;
  for (const box of all('input[name=target]')) box.disabled = full && !box.checked;
  byId('targets-hint').textContent = `${chosen} of at most ${MAX_TARGETS}`;
}

function setProblem(name, message) {
  byId(`${name}-error`).textContent = message ?? '';
  byId(`${name}-error`).hidden = !message;
  byId(name).setAttribute('aria-invalid', String(Boolean(message)));
}

/** Return the request, or null after each problem is shown beside its field. */
function readRequest() {
  const query = byId('query').value.trim();
  const documents = byId('documents').value.split('\n').map((line) => line.trim()).filter(Boolean);
  const targets = chosenTargets();
  setProblem('query', query ? '' : 'Type a query.');
  setProblem('documents', documents.length ? '' : 'Type documents, one per line.');
  if (all('input[name=target]').length) setProblem('targets', targets.length ? '' : 'Choose a target.');
  const wrong = document.querySelector('#request [aria-invalid=true]');
  (wrong?.querySelector('input, button') ?? wrong)?.focus();
  return wrong ? null : { query, documents, targets };
}

function loadExample() {
  byId('query').value = EXAMPLE.query;
  byId('documents').value = EXAMPLE.documents.join('\n');
  for (const name of ['query', 'documents']) setProblem(name, '');
}

// --- compare ---------------------------------------------------------------------------------------------------------

let running = new AbortController();

async function compare(event) {
  event.preventDefault();
  const request = readRequest();
  if (!request) return;
  running.abort(); // a comparison replaces the one before
  running = new AbortController();
  const columns = request.targets.map(newColumn);
  showColumns(columns);
  const { signal } = running;
  const ranked = columns.map((column) => rank(column, request, signal));
  const explained = columns.map((column) => explain(column, request, signal));
  try {
    const responses = (await Promise.all([...ranked, ...explained])).slice(0, columns.length);
    finish(request, responses);
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

function newColumn(target) {
  const column = {
    target,
    head: element('header', '', element('h2', '', target)),
    notes: element('ul', 'notes'),
    list: element('ol', 'ranking', ...Array.from({ length: 4 }, () => element('li', 'waiting'))),
    sent: element('div', 'sent'),
  };
  column.root = element('article', 'column', column.head, column.notes, column.list, column.sent);
  column.root.setAttribute('aria-label', target);
  return column;
}

function showColumns(columns) {
  byId('empty').hidden = true;
  byId('legend').hidden = true;
  byId('results').setAttribute('aria-busy', 'true');
  byId('status').textContent = 'Ranking …';
  byId('columns').dataset.count = columns.length;
  const lines = svgElement('svg', { class: 'lines', 'aria-hidden': 'true' });
  byId('columns').replaceChildren(lines, ...columns.map((column) => column.root));
}

function finish({ documents, targets }, responses) {
  const failed = responses.filter(({ status }) => status !== 200).length;
  const ranked = `${count(documents.length, 'document')}, ${count(targets.length, 'target')}`;
  byId('status').textContent = failed ? `${ranked}, ${failed} failed` : ranked;
  byId('legend').hidden = failed === targets.length;
  byId('results').setAttribute('aria-busy', 'false');
  // If the gateway's key was refused, and not a provider's, this opens the prompt.
  if (responses.some(({ status }) => status === 401)) loadTargets();
}

async function rank(column, { query, documents }, signal) {
  const began = performance.now();
  const response = await send('v1/rerank', bodyOf(column, query, documents), signal);
  showHead(column, response, performance.now() - began);
  if (response.status === 200) showRanking(column, response, documents);
  else showError(column, response);
  drawLines();
  return response;
}

const bodyOf = ({ target }, query, documents) => ({ model: target, query, documents, return_documents: false });

function showHead({ head }, { status, headers, json }, milliseconds) {
  const model = ['provider', 'model'].map((name) => headers.get(`x-rerank-${name}`)).filter(Boolean).join(' · ');
  const time = milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
  const tokens = json?.usage?.total_tokens;
  const usage = status === 200 && (Number.isFinite(tokens) ? count(tokens, 'token') : 'no tokens reported');
  const cached = headers.get('x-rerank-cached');
  const facts = [time, usage, cached && `${cached} from the cache`].filter(Boolean).join(' · ');
  head.append(element('p', 'model', model), element('p', 'facts', facts));
}

function showRanking(column, { headers, json }, documents) {
  const share = shareOf(json.results.map((row) => row.relevance_score));
  column.list.replaceChildren(...json.results.map((row, at) => rankedRow(row, at, documents[row.index], share)));
  const losses = listOf(headers, 'x-rerank-losses');
  addNote(column, '', losses.length ? '' : 'Nothing is lost');
  for (const loss of losses) addNote(column, 'warning', `Lost: ${loss}`);
  addNote(column, '', attemptsIn(headers));
  const warnings = headers.get('x-rerank-warnings');
  addNote(column, 'warning', warnings && `Warning: ${warnings}`);
}

/** Return the items of a header such as `truncation=dropped,documents=withheld`, as words. */
const listOf = (headers, name) => (headers.get(name) ?? '').split(',').filter(Boolean).map((item) => item.replace('=', ' '));

function attemptsIn(headers) {
  const attempts = listOf(headers, 'x-rerank-attempts');
  return attempts.length > 1 ? `Attempts: ${attempts.join(', then ')}` : '';
}

function addNote({ notes }, kind, text) {
  if (text) notes.append(element('li', kind, text));
}

/** Return the function from a score to its share of a bar, which begins at 0 or at the lowest score below 0. */
function shareOf(scores) {
  const low = Math.min(0, ...scores);
  const high = Math.max(...scores);
  return (score) => (high > low ? (score - low) / (high - low) : 0);
}

function rankedRow({ index, relevance_score: score }, at, text, share) {
  const bar = element('span', 'bar', element('span'));
  bar.firstChild.style.width = `${100 * share(score)}%`;
  const digits = score !== 0 && Math.abs(score) < 0.001 ? score.toExponential(2) : score.toFixed(4);
  const row = element('button', 'row', element('span', 'rank', `${at + 1}`), element('span', 'text', text), bar, element('span', 'score', digits));
  Object.assign(row, { type: 'button', tabIndex: at === 0 ? 0 : -1, ariaExpanded: 'false' });
  row.dataset.index = index;
  return element('li', '', row);
}

function showError(column, response) {
  const status = response.status ? `HTTP ${response.status}` : 'No response';
  const error = element('div', 'error', element('strong', '', status), element('p', '', messageOf(response)));
  error.setAttribute('role', 'alert');
  const seconds = Number(response.headers.get('retry-after'));
  if (seconds) error.append(element('p', 'hint', `Try again after ${count(seconds, 'second')}.`));
  addNote(column, '', attemptsIn(response.headers));
  column.list.replaceWith(error);
}

// --- the requests that providers receive -----------------------------------------------------------------------------

async function explain(column, { query, documents }, signal) {
  const response = await send('v1/explain', bodyOf(column, query, documents), signal);
  if (response.status === 200) column.sent.append(...response.json.targets.map(sentRequest));
}

function sentRequest({ provider, method, url, headers, body, losses = [], calls, error }, at, targets) {
  const condition = at ? `, if ${targets[at - 1].provider} fails` : '';
  const split = calls > 1 ? `, the first of ${calls}` : '';
  const details = element('details', '', element('summary', '', `Request to ${provider}${split}${condition}`));
  for (const loss of losses) details.append(element('p', 'warning', `Lost: ${loss.field} ${loss.action}, ${loss.reason}`));
  const lines = error ? [error] : [
    `${method} ${url}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    JSON.stringify(body, null, 2),
  ];
  const text = element('pre', '', lines.join('\n'));
  text.tabIndex = 0; // so that it can be scrolled by keyboard
  details.append(text);
  return details;
}

// --- the same document in several columns ----------------------------------------------------------------------------

/** Draw a line between the two rows of each document in neighbouring columns. */
function drawLines() {
  const layer = document.querySelector('.lines');
  if (!layer) return;
  const origin = layer.getBoundingClientRect();
  const columns = all('.column').map((column) => all('.row', column));
  layer.replaceChildren(...columns.slice(1).flatMap((rows, at) => linesBetween(columns[at], rows, origin)));
}

function linesBetween(left, right, origin) {
  return left.flatMap((row, at) => {
    const place = right.findIndex(({ dataset }) => dataset.index === row.dataset.index);
    if (place < 0) return [];
    const from = row.getBoundingClientRect();
    const to = right[place].getBoundingClientRect();
    const [x1, y1] = [from.right - origin.left, (from.top + from.bottom) / 2 - origin.top];
    const [x2, y2] = [to.left - origin.left, (to.top + to.bottom) / 2 - origin.top];
    const middle = (x1 + x2) / 2;
    const shape = `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
    const line = svgElement('path', { d: shape, 'data-index': row.dataset.index });
    line.classList.toggle('top3', Math.min(at, place) < 3);
    line.classList.toggle('marked', row.classList.contains('marked'));
    return [line];
  });
}

const rowOf = (event) => event.target.closest('.row');

/** Mark the document of a row in every column, and its lines. Without a row, mark none. */
function markDocument(row) {
  for (const other of all('[data-index]')) {
    other.classList.toggle('marked', other.dataset.index === row?.dataset.index);
  }
}

/** Show the whole text of a row's document in every column, or two lines of it. */
function toggleText(row) {
  const expanded = row.ariaExpanded !== 'true';
  for (const other of all(`.row[data-index="${row.dataset.index}"]`)) other.ariaExpanded = String(expanded);
  drawLines();
}

/** Focus another row by the arrow keys: up and down in a ranking, left and right the same document in the next one. */
function moveFocus(event) {
  const row = rowOf(event);
  const lists = all('.ranking');
  const at = lists.indexOf(row?.closest('.ranking'));
  const same = (list) => list?.querySelector(`.row[data-index="${row.dataset.index}"]`);
  const next = row && {
    ArrowUp: () => row.parentElement.previousElementSibling?.firstChild,
    ArrowDown: () => row.parentElement.nextElementSibling?.firstChild,
    ArrowLeft: () => same(lists[at - 1]),
    ArrowRight: () => same(lists[at + 1]),
  }[event.key]?.();
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** Make the focused row the one stop of the Tab key in its ranking. */
function focusRow(row) {
  markDocument(row);
  if (row) for (const other of all('.row', row.closest('.ranking'))) other.tabIndex = other === row ? 0 : -1;
}

// --- events ----------------------------------------------------------------------------------------------------------

byId('request').addEventListener('submit', compare);
byId('documents').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('request').requestSubmit();
});
byId('example').addEventListener('click', loadExample);
byId('targets').addEventListener('change', limitTargets);
byId('key-form').addEventListener('submit', submitKey);
byId('cancel-key').addEventListener('click', () => byId('key-dialog').close());
byId('forget-key').addEventListener('click', () => changeKey(null));
byId('columns').addEventListener('pointerover', (event) => markDocument(rowOf(event)));
byId('columns').addEventListener('pointerleave', () => markDocument(null));
byId('columns').addEventListener('focusin', (event) => focusRow(rowOf(event)));
byId('columns').addEventListener('click', (event) => rowOf(event) && toggleText(rowOf(event)));
byId('columns').addEventListener('keydown', moveFocus);
new ResizeObserver(drawLines).observe(byId('columns'));
byId('forget-key').hidden = sessionStorage.getItem(KEY_NAME) === null;
loadTargets();
