// A Node connector: products in memory, saved to a JSON file (written aside, renamed) before it answers.
//
//   PORT=3000 SECRET=s3cret DATA=/tmp/store [SHAPE=map] [BREAK=no-dedup] node store.js
'use strict';
const crypto = require('crypto'), fs = require('fs'), http = require('http'), path = require('path');

const BREAKS = {
  'no-dedup': 'does not look at event ids',
  'dedup-memory': 'does not save the ids',
  'race': 'awaits between the look at the ids and the note',
  'last-arrival': 'the last to arrive wins',
  'delete-unknown': 'notes nothing of a removal when there is no product yet',
  'resurrect': 'delete products[key], and set again by an older update',
  'late-create': 'created starts anew, whenever it comes',
  'ack-first': 'answers, saves 300 ms later',
  'never-saves': 'keeps all in memory',
  'first-of-batch': 'looks at events[0]',
  'id-first': 'saves the id, awaits the work, saves the product',
  'abort-on-close': 'aborts its work when the request closes, the id noted',
  'trusts-forged': 'works before it verifies',
};
const SHAPES = ['map', 'joined', 'joined-upper', 'links', 'csv', 'lines', 'ndjson', 'categories', 'counters', 'envelope', 'nested-json'];
const BREAK = process.env.BREAK || '', SHAPE = process.env.SHAPE || 'map', SECRET = process.env.SECRET || 's3cret';
if (process.argv[2] === '--list') { console.log(JSON.stringify({ breaks: Object.keys(BREAKS), shapes: SHAPES })); process.exit(); }
if ((BREAK && !BREAKS[BREAK]) || !SHAPES.includes(SHAPE)) { console.error(BREAKS, SHAPES); process.exit(2); }

const folder = process.env.DATA || '.', file = path.join(folder, 'store.json');
fs.mkdirSync(folder, { recursive: true });
let state = { seen: {}, products: {} };
try { state = JSON.parse(fs.readFileSync(file, 'utf8')); } catch (error) { if (error.code !== 'ENOENT') throw error; }

function save() {
  if (BREAK === 'never-saves') return;
  fs.writeFileSync(file + '.new', JSON.stringify(BREAK === 'dedup-memory' ? { ...state, seen: {} } : state));
  fs.renameSync(file + '.new', file);
}
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function flat(values, member) {
  const found = {};
  for (const [name, list] of Object.entries(values || {}))
    for (const one of list) found[[name, one.locale, one.scope].filter(Boolean).join('.')] = one[member];
  return found;
}

// The events of a document, as {id, kind, action, key, code, time, values, whole}; throws when it is not what was promised.
function events(document) {
  if (typeof document !== 'object' || !document) throw new Error('no object');
  if (document.specversion) {
    const [kind, ...action] = document.type.replace('com.akeneo.pim.v1.', '').replace('product-model', 'product_model').split('.');
    if (typeof document.data !== 'object') throw new Error('no data');
    const entity = document.data[kind] || {}, changes = entity.changes || {};
    return [{ id: document.id, kind, action: action.join('.').replace('deleted', 'removed').replace('.delta', ''), key: entity.uuid || entity.code,
      code: entity.identifier || entity.code, time: document.time, values: flat(changes.values, 'new'), whole: false }];
  }
  if (!Array.isArray(document.events)) throw new Error('no events');
  return document.events.map((event) => {
    const [kind, action] = event.action.split('.'), resource = event.data.resource;
    return { id: event.event_id, kind, action, key: resource.uuid || resource.identifier || resource.code,
      code: resource.identifier || resource.code, time: event.event_datetime, values: flat(resource.values, 'data'),
      whole: action !== 'removed', family: resource.family, categories: resource.categories };
  });
}

const known = (event) => ['product', 'product_model'].includes(event.kind) && ['created', 'updated', 'removed'].includes(event.action);
const older = (a, b) => (BREAK === 'last-arrival' ? false : Date.parse(a) < Date.parse(b));

function apply(event) {
  let one = state.products[event.key];
  if (!one && BREAK === 'delete-unknown' && event.action === 'removed') return;
  if (!one || (BREAK === 'late-create' && event.action === 'created'))
    one = state.products[event.key] = { kind: event.kind, code: event.code, values: {}, time: '1970-01-01T00:00:00Z', live: true, events: 0 };
  one.events++;
  if (older(event.time, one.time)) return;
  if (BREAK === 'resurrect' && event.action === 'removed') { delete state.products[event.key]; return; }
  one.values = event.whole ? event.values : { ...one.values, ...event.values };
  if (event.whole) { one.family = event.family; one.categories = event.categories; }
  one.live = event.action !== 'removed';
  one.time = event.time;
  one.code = event.code || one.code;
}

async function receive(list, aborted) {
  if (BREAK === 'first-of-batch') list = list.slice(0, 1);
  if (BREAK === 'ack-first') { setTimeout(() => { work(list); save(); }, 300); return; }
  if (BREAK === 'race') {
    list = list.filter((event) => !state.seen[event.id]);
    list = [...new Map(list.map((event) => [event.id, event])).values()];
    await pause(25);
    for (const event of list) { apply(event); state.seen[event.id] = 1; }
  } else if (BREAK === 'id-first' || BREAK === 'abort-on-close') {
    list = list.filter((event) => (state.seen[event.id] ? false : (state.seen[event.id] = 1)));
    if (BREAK === 'id-first') save();
    await pause(BREAK === 'id-first' ? 150 : 40);
    if (BREAK === 'abort-on-close' && aborted()) { save(); return; }
    list.forEach(apply);
  } else work(list);
  save();
}

function work(list) {
  for (const event of list) {
    if (state.seen[event.id] && BREAK !== 'no-dedup') continue;
    state.seen[event.id] = 1;
    apply(event);
  }
}

function verified(headers, body) {
  const stamp = headers['x-akeneo-request-timestamp'];
  if (stamp !== undefined && !(Math.abs(Date.now() / 1000 - Number(stamp)) < 300)) return false;
  const hmac = crypto.createHmac('sha256', SECRET);
  if (stamp !== undefined) hmac.update(stamp + '.');
  const wanted = Buffer.from(hmac.update(body).digest('hex'));
  const given = stamp !== undefined ? [headers['x-akeneo-request-signature']] : [headers['x-akeneo-signature-primary'], headers['x-akeneo-signature-secondary']];
  return given.some((one) => one && Buffer.from(one).length === wanted.length && crypto.timingSafeEqual(Buffer.from(one), wanted));
}

// ---- what it shows

const list = () => Object.entries(state.products).map(([key, one], n) => ({ n, key, ...one }));
const quoted = (cell) => '"' + String(cell).replace(/"/g, '""') + '"';
const json = (value) => ['application/json', JSON.stringify(value)];
const shown = {
  map: () => json(state.products),
  joined: () => json({ products: list().map(({ n, values, ...one }) => one), prices: list().flatMap((one) =>
    Object.entries(one.values).map(([attribute, value]) => ({ product_key: one.key, attribute, value }))) }),
  'joined-upper': () => json({ Products: list().map((one) => ({ GUID: `{${one.key.toUpperCase()}}`, Live: one.live, Events: one.events })),
    Attributes: list().map((one) => ({ ProductGUID: `{${one.key.toUpperCase()}}`, Values: one.values })) }),
  links: () => json({ items: list().map((one) => ({ row: one.n, self: `/shop/p/${one.key}`, etag: crypto.randomUUID(),
    title: one.values, on_sale: one.live, seen: one.events })), _links: { self: '/state' } }),
  csv: () => ['text/csv', 'n;key;live;events;values\n' + list().map((one) => [one.n, one.key, one.live, one.events, JSON.stringify(one.values)].map(quoted).join(';')).join('\n') + '\n'],
  lines: () => ['text/plain', list().map((one) => `product=${one.key} live=${one.live} events=${one.events} values=${JSON.stringify(one.values)}`).join('\n')],
  ndjson: () => ['application/x-ndjson', list().map((one) => JSON.stringify(one)).join('\n') + '\n\n'],
  categories: () => { // a product hangs in each of its categories
    const tree = {};
    for (const one of list()) for (const category of one.categories && one.categories.length ? one.categories : ['root'])
      ((tree[one.family || 'none'] ||= { label: one.family, children: {} }).children[category] ||= { products: {} }).products[one.key] = { live: one.live, values: one.values, events: one.events };
    return json({ catalog: { tree } });
  },
  counters: () => json(Object.fromEntries(list().map((one) => [one.key, one.events]))),
  envelope: () => json({ ok: true, time: new Date().toISOString(), data: { total: list().length, hits: list().map((one) => ({ _id: one.key, _score: 1, _source: { ...one, n: undefined } })) } }),
  'nested-json': () => json(list().map((one) => ({ pk: `PRODUCT#${one.key}`, sk: 'v0', document: JSON.stringify({ id: one.key, ...one, n: undefined }), ttl: Math.floor(Date.now() / 1000) + 86400 }))),
};

http.createServer((request, response) => {
  const chunks = [];
  let closed = false;
  response.on('close', () => { closed = !response.writableEnded; });
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const answer = (status, type = 'text/plain', text = '') => { response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) }); response.end(text); };
    if (request.method === 'HEAD') return answer(200);
    if (request.method === 'GET') return request.url === '/state' ? answer(200, ...shown[SHAPE]()) : answer(404);
    const body = Buffer.concat(chunks), right = verified(request.headers, body);
    if (!right && BREAK !== 'trusts-forged') return answer(401);
    if (!body.length) return answer(right ? 200 : 401);
    let found;
    try { found = events(JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(body))).filter(known); } catch (error) { return answer(right ? 400 : 401); }
    if (found.length) await receive(found, () => closed);
    answer(right ? 200 : 401);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
