// A Node port: products in a map, saved to a file before it answers. /aep collects uuids for a tenth of a second, then
// asks the PIM for all of them; deltas are left alone, since the light events come too.
//
//   PORT=3000 SECRET=s3cret DATA=/tmp/keyed [SHAPE=map] [BREAK=own] node keyed.js
//
// SHAPE: map (by identifier), rows (a list; a removed one stays, as inactive), ndjson (a line each).
'use strict';
const crypto = require('crypto'), fs = require('fs'), http = require('http'), path = require('path');

const BREAKS = {
  'light-as-full': 'handleProduct(event.data.product), as before',
  'undefined-key': 'products[event.data.product.identifier]',
  'merge-light': 'spreads the event over what is there, identifier and all',
  'removed-only': "case 'removed', and no case 'deleted'",
  'delete-undefined': 'delete products[event.data.product.identifier]',
  'model-dash': "looks for data['product-model'], and swallows the error",
  'model-endpoint': 'asks for models among the products',
  'one-page': 'takes the first page, of ten',
  'no-await': 'answers and stores before the PIM has answered: what there is, is nothing',
  'memo': 'memoizes the call to the PIM',
  'created-only': 'updates were told by the Events API',
  'deltas-only': 'subscribed to deltas for updates, and reads `values` in them',
  'no-family': 'the new mapper forgot family and groups',
  'enabled-text': "enabled: String(product.enabled)",
  'numbers': 'parses amounts: 10 for "10.00"',
  'own': 'applies its own changes',
  'own-user': "compares author.type with 'api', and with the user's name",
  'append': 'pushes a product of AEP to the list without looking for it',
  'append-created': 'does so when it is created',
  'codes-late': 'learns from AEP alone which uuid is which product',
  'drop-inactive': 'filters deleted products out, where they were inactive',
  // no loss
  'null-empty': 'null for a text that is empty',
  'counts': 'counts what came',
  'dates': 'new Date() of the moments of AEP',
};
const SHAPES = ['map', 'rows', 'ndjson'];
const BREAK = process.env.BREAK || '', SHAPE = process.env.SHAPE || 'map', SECRET = process.env.SECRET || 's3cret';
const PIM = (process.env.PIMSIM_PIM_URL || '').replace(/\/$/, ''), CLIENT = process.env.CLIENT || 'pimsim-connector';
if (process.argv[2] === '--list') { console.log(JSON.stringify({ breaks: Object.keys(BREAKS), shapes: SHAPES })); process.exit(); }
if ((BREAK && !BREAKS[BREAK]) || !SHAPES.includes(SHAPE)) { console.error(BREAKS, SHAPES); process.exit(2); }

const folder = process.env.DATA || '.', file = path.join(folder, 'products.json');
fs.mkdirSync(folder, { recursive: true });
const products = {}; // by identifier or code
const codes = {}; // uuid: identifier
const told = new Set(), extra = {}; // 'append…': who came with AEP first, and the others' second items

// ---- the PIM

let token;
async function logIn() {
  const answer = await fetch(`${PIM}/api/oauth/v1/token`, { method: 'POST',
    headers: { Authorization: 'Basic ' + Buffer.from(`${CLIENT}:secret`).toString('base64'), 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'password', username: 'shop', password: 'shop' }) });
  if (!answer.ok) throw new Error(`token: ${answer.status}`);
  return (await answer.json()).access_token;
}

async function get(target) {
  token ||= logIn();
  const answer = await fetch(target.startsWith('http') ? target : PIM + target, { headers: { Authorization: 'Bearer ' + await token } });
  if (answer.status === 401) { token = undefined; return get(target); }
  if (!answer.ok) throw new Error(`${target}: ${answer.status}`);
  return answer.json();
}

async function list(kind, keys) {
  const [resource, name] = kind === 'product' || BREAK === 'model-endpoint' ? ['products-uuid', 'uuid'] : ['product-models', 'code'];
  const query = new URLSearchParams({ search: JSON.stringify({ [name]: [{ operator: 'IN', value: keys }] }), limit: '10' });
  const found = new Map();
  for (let next = `/api/rest/v1/${resource}?${query}`; next;) {
    const page = await get(next);
    for (const one of page._embedded.items) found.set(one[name], one);
    next = BREAK !== 'one-page' && page._links.next && page._links.next.href;
  }
  return found;
}

// ---- storing

const text = (value) => (value === undefined || value === null ? '' : value);
const amounts = (data) => (Array.isArray(data) ? data.map(amounts)
  : data && typeof data === 'object' ? (data.amount === undefined ? data : { ...data, amount: Number(data.amount) }) : data);

// One value for each attribute, locale and channel: {"name-en_US": "Hoe"}
function flat(values, ofAep) {
  const found = {};
  for (const [attribute, all] of Object.entries(values || {}))
    for (const one of all) found[[attribute, one.locale, one.scope].filter(Boolean).join('-')] = ofAep && BREAK === 'numbers' ? amounts(one.data) : one.data;
  return found;
}

function mapped(resource, ofAep) {
  const one = { code: resource.identifier || resource.code, parent: text(resource.parent), family: resource.family, groups: resource.groups,
    enabled: resource.enabled, categories: resource.categories, values: flat(resource.values, ofAep), updated: resource.updated };
  if (!ofAep) return one;
  if (BREAK === 'no-family') { delete one.family; delete one.groups; }
  if (BREAK === 'enabled-text') one.enabled = String(one.enabled);
  if (BREAK === 'null-empty') one.parent = one.parent || null;
  if (BREAK === 'dates') one.updated = new Date(one.updated).toISOString();
  return one;
}

function put(key, one, ofAep, created) {
  const known = products[key];
  if (known && one.updated && Date.parse(one.updated) < Date.parse(known.updated)) return;
  if (!known && ofAep) told.add(key);
  const anew = BREAK === 'append' || (BREAK === 'append-created' && created);
  (anew && ofAep && !told.has(key) ? extra : products)[key] = { ...one, active: true };
  if (BREAK === 'counts') products[key].events = known ? known.events + 1 : 1;
}

function remove(key, ofAep) {
  if (SHAPE === 'rows' && products[key] && !(ofAep && BREAK === 'drop-inactive')) products[key].active = false;
  else delete products[key];
}

function save() {
  fs.writeFileSync(file + '.new', JSON.stringify(products));
  fs.renameSync(file + '.new', file);
}

// ---- the Events API

function old(document) {
  for (const event of document.events) {
    const resource = event.data.resource, key = resource.identifier || resource.code;
    if (event.action.endsWith('.removed')) remove(key, false);
    else put(key, mapped(resource, false), false);
    if (resource.uuid && BREAK !== 'codes-late') codes[resource.uuid] = key;
  }
  save();
}

// ---- the Event Platform

let waiting = [], timer, working = Promise.resolve();
const soon = (ms) => { timer ||= setTimeout(() => { working = working.then(work); }, ms); };

function aep(event) {
  const [kind, ...rest] = event.type.replace('com.akeneo.pim.v1.', '').replace('product-model', 'product_model').split('.');
  const action = rest.join('.'), author = event.data.author || {};
  const own = BREAK === 'own-user' ? author.type === 'api' && author.identifier === 'shop' : author.identifier === CLIENT;
  if (!['product', 'product_model'].includes(kind) || (own && BREAK !== 'own')) return;
  const entity = BREAK === 'model-dash' ? event.data[kind.replace('_', '-')] : event.data[kind];
  if (!entity) return console.error(`TypeError: Cannot read properties of undefined (reading 'code')`);
  if (action === 'updated.delta') {
    if (BREAK === 'deltas-only') fromDelta(kind, entity);
    return;
  }
  if (action === 'updated' && BREAK === 'deltas-only') return;
  if (BREAK === 'removed-only' && action === 'deleted') return;
  if (BREAK === 'created-only' && action === 'updated') return;
  waiting.push({ kind, action, key: entity.uuid || entity.code, entity });
  soon(100);
}

function fromDelta(kind, entity) {
  const one = products[codes[entity.uuid] || entity.code];
  if (one && entity.values) one.values = flat(entity.values, true);
}

const memo = new Map();
async function resources(kind, keys) {
  if (!keys.length || BREAK === 'light-as-full') return new Map();
  if (BREAK !== 'memo') return list(kind, keys);
  const missing = keys.filter((key) => !memo.has(key));
  if (missing.length) for (const [key, one] of await list(kind, missing)) memo.set(key, one);
  return memo;
}

async function work() {
  const batch = waiting;
  waiting = [];
  timer = undefined;
  try {
    const keys = (kind) => [...new Set(batch.filter((one) => one.kind === kind && one.action !== 'deleted').map((one) => one.key))];
    const promises = { product: resources('product', keys('product')), product_model: resources('product_model', keys('product_model')) };
    const found = BREAK === 'no-await' ? { product: new Map(), product_model: new Map() }
      : { product: await promises.product, product_model: await promises.product_model };
    for (const one of batch) apply(one, found[one.kind].get(one.key));
    save();
  } catch (error) { // the PIM is away: again, a second later
    console.error(String(error));
    if (BREAK === 'model-endpoint') return;
    waiting = [...batch, ...waiting];
    soon(1000);
  }
}

function apply({ kind, action, key, entity }, resource) {
  if (action === 'deleted') return remove(BREAK === 'delete-undefined' ? entity.identifier || entity.code : codes[key] || key, true);
  if (BREAK === 'light-as-full') resource = entity;
  if (!resource) return BREAK === 'no-await' && put(key, mapped(entity, true), true);
  if (BREAK === 'merge-light') resource = { ...resource, identifier: undefined, ...entity };
  const code = BREAK === 'undefined-key' ? String(entity.identifier || entity.code) : resource.identifier || resource.code || key;
  codes[key] = code;
  put(code, mapped(resource, true), true, action === 'created');
}

// ---- what it shows

const shown = {
  map: () => JSON.stringify(products),
  rows: () => JSON.stringify({ items: [...Object.values(products), ...Object.values(extra)] }),
  ndjson: () => Object.values(products).map((one) => JSON.stringify(one) + '\n').join(''),
};

function signed(target, headers, body) {
  const hmac = crypto.createHmac('sha256', SECRET), stamp = headers['x-akeneo-request-timestamp'];
  if (target === '/old') {
    if (!(Math.abs(Date.now() / 1000 - Number(stamp)) < 300)) return false;
    hmac.update(stamp + '.');
  }
  const wanted = Buffer.from(hmac.update(body).digest('hex'));
  return (target === '/old' ? ['x-akeneo-request-signature'] : ['x-akeneo-signature-primary', 'x-akeneo-signature-secondary'])
    .some((name) => headers[name] && headers[name].length === wanted.length && crypto.timingSafeEqual(Buffer.from(headers[name]), wanted));
}

http.createServer((request, response) => {
  const chunks = [];
  const answer = (status, body = '') => { response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }); response.end(body); };
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'HEAD') return answer(200);
    if (request.method === 'GET') return request.url === '/state' ? answer(200, shown[SHAPE]()) : answer(404);
    const body = Buffer.concat(chunks);
    if (!['/old', '/aep'].includes(request.url)) return answer(404);
    if (!signed(request.url, request.headers, body)) return answer(401);
    let document;
    try { document = body.length ? JSON.parse(body) : null; } catch (error) { return answer(400); }
    if (document) (request.url === '/old' ? old : aep)(document);
    answer(200);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
