// An Akeneo connector in Node: verifies over the raw bytes, answers, works afterwards.
//
//   PORT=3000 SECRET=s3cr3t PLATFORM=aep node connector.js
//
// BREAK=NAME breaks it in one of the ways below, as connectors in the wild are; BREAK=list names them.
'use strict';
const http = require('node:http');
const { createHmac, timingSafeEqual } = require('node:crypto');

const BREAKS = {
  // how it verifies
  'stringify': 'verifies over JSON.stringify(JSON.parse(body))',
  'no-dot': 'signs timestamp and body without the dot',
  'body-only': 'signs the body alone on the Events API too',
  'secret-newline': 'read its secret from a file and kept the newline',
  'secret-unset': 'reads a variable that nobody set, and verifies with the empty secret',
  'secret-wrong': 'has the secret of another connection',
  'secret-hex': 'decodes its secret from hex',
  'base64': "expects digest('base64')",
  'upper-case': 'upper-cases its own digest and compares',
  'throws': 'timingSafeEqual throws on other lengths, which turns into 500',
  'accepts-all': 'has its check commented out',
  'accepts-missing': 'checks a signature only when there is one',
  'presence': 'looks only whether there is a signature',
  'first-digits': 'compares the first eight digits',
  'replies-first': 'answers 200, then verifies',
  'cached': 'remembers good signatures, to save time',
  'empty-secret-too': 'also tries the secret of a tenant that has none',
  'primary-only': 'knows of no secondary signature',
  'other-platform': 'was made for the other platform',
  'no-clock': 'never looks at the timestamp',
  'clock-ms': 'compares the timestamp, in seconds, with Date.now(), in milliseconds',
  'clock-narrow': 'allows no clock but its own: a timestamp in the past is too old',
  'clock-second': 'wants the timestamp to be of the very second that it is itself',
  'refuses-400': 'answers 400, not 401, to wrong signatures: as good',
  'refuses-500': 'throws new Error("bad signature")',
  'refuses-200': 'answers 200 {"error": …} to wrong signatures',
  'basic-auth': 'asks for a password first',
  // how it answers
  'slow-200': 'works for 200 ms before it answers, and nobody else is served meanwhile',
  'slow-700': 'awaits 700 ms of work before it answers',
  'slow-4000': 'awaits 4 s of work before it answers',
  'slow-crowd': 'has a pool of two database connections, 120 ms of work each',
  'slow-sometimes': 'awaits 4 s on one delivery of twenty',
  'status-201': 'answers 201', 'status-202': 'answers 202', 'status-204': 'answers 204',
  'closes-sometimes': 'closes one connection of ten in the middle of its answer',
  'half-answer': 'sends the head of its answer, and never the rest',
  'flaky-500': 'answers 500 to one delivery of ten',
  'limit-429': 'answers 429 after fifty requests in a second',
  'not-found': 'listens on another path: 404',
  'head-404': 'routes POST only',
  'head-204': 'answers 204 to HEAD',
  'slash-301': 'redirects to the same path with a slash',
  'login-302': 'redirects to a login page',
  // what it takes
  'cloudevents-only': 'takes application/cloudevents+json only: 415',
  'limit-100k': "has express's body limit of 100 kB: 413",
  'hangs-large': 'reads no more than 64 kB, and waits',
  'crashes-malformed': 'lets a SyntaxError end the process',
  'malformed-500': 'answers 500 to a SyntaxError',
  'malformed-200': 'answers 200 to anything that is rightly signed',
  'empty-500': 'parses the empty body of the Test button',
  'unknown-400': 'answers 400 to types that it does not know',
  'strict-422': 'answers 422 to members that it does not know',
  'needs-values': 'reads what only some events have: .values (a removed product has none), .product (a category has none)',
  'first-of-batch': 'takes events[0] and loses the others',
  'no-batches': 'answers 400 to more than one event',
  'duplicate-409': 'answers 409 to a duplicate', 'duplicate-500': 'has a unique key, and lets it throw',
  'duplicate-hangs': 'waits for the first, which is long done',
};

const { PORT = '3000', PLATFORM = 'aep', BREAK = '' } = process.env;
const breaks = BREAK.split('+'); // BREAK=no-dot+refuses-400 is broken in both ways
const broken = (...names) => names.some(name => breaks.includes(name));
const eventsApi = (PLATFORM === 'events-api') !== broken('other-platform');
if (BREAK === 'list') { console.log(Object.keys(BREAKS).join('\n')); process.exit(); }
if (BREAK && !breaks.every(name => name in BREAKS)) { console.error(`BREAK=${BREAK}?`); process.exit(2); }

const secret = {
  'secret-newline': process.env.SECRET + '\n',
  'secret-unset': process.env.AKENEO_WEBHOOK_SECRET ?? '',
  'secret-wrong': 'of-the-staging-connection',
  'secret-hex': Buffer.from(process.env.SECRET ?? '', 'hex'),
}[BREAK] ?? process.env.SECRET;

const sleep = ms => new Promise(done => setTimeout(done, ms));
const hmac = (key, ...parts) => parts.reduce((h, part) => h.update(part), createHmac('sha256', key));

// ---- verifying ------------------------------------------------------------------------------------

function signed(key, body, timestamp) {
  if (broken('stringify')) body = JSON.stringify(JSON.parse(body));
  const parts = !eventsApi || broken('body-only') ? [body]
    : broken('no-dot') ? [timestamp, body] : [timestamp, '.', body];
  const digest = hmac(key, ...parts).digest(broken('base64') ? 'base64' : 'hex');
  return broken('upper-case') ? digest.toUpperCase() : digest;
}

function same(given, wanted) {
  if (broken('first-digits')) return given.slice(0, 8) === wanted.slice(0, 8);
  if (broken('throws')) return timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
  return given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
}

const goodSignatures = new Set();

function verify(headers, body) {
  const given = eventsApi ? [headers['x-akeneo-request-signature']]
    : [headers['x-akeneo-signature-primary'], headers['x-akeneo-signature-secondary']];
  if (broken('primary-only')) given.length = 1;
  if (broken('accepts-all')) return true;
  if (broken('accepts-missing') && given.every(one => one === undefined)) return true;
  if (broken('presence')) return given.some(one => one !== undefined);
  if (broken('cached') && goodSignatures.has(given[0])) return true;
  const timestamp = headers['x-akeneo-request-timestamp'] ?? '';
  const keys = broken('empty-secret-too') ? [secret, ''] : [secret];
  const good = given.some(one => one !== undefined && keys.some(key => same(one, signed(key, body, timestamp))));
  if (good) goodSignatures.add(given[0]);
  return good && (!eventsApi || broken('no-clock') || fresh(timestamp));
}

function fresh(timestamp) {
  if (broken('clock-ms')) return Math.abs(Date.now() - timestamp) < 300_000;
  const age = Date.now() / 1000 - timestamp;
  if (broken('clock-second')) return Math.floor(Date.now() / 1000) === Number(timestamp);
  return broken('clock-narrow') ? age <= 0 : Math.abs(age) < 300;
}

// ---- taking events --------------------------------------------------------------------------------

const KNOWN = eventsApi ? /^product(_model)?\.(created|updated|removed)$/ : /^com\.akeneo\.pim\.v1\.(?!product\.reviewed)/;
const MEMBERS = ['action', 'event_id', 'event_datetime', 'author', 'author_type', 'pim_source', 'data', 'specversion',
  'id', 'source', 'type', 'subject', 'datacontenttype', 'dataschema', 'time'];
const seen = new Set();
const queue = []; // a worker would empty it

function take(event) {
  const id = eventsApi ? event.event_id : event.id;
  const type = eventsApi ? event.action : event.type;
  if (typeof id !== 'string' || typeof type !== 'string') return 400;
  if (broken('unknown-400') && !KNOWN.test(type)) return 400;
  if (broken('strict-422') && Object.keys(event).some(key => !MEMBERS.includes(key))) return 422;
  if (broken('needs-values')) Object.keys(eventsApi ? event.data.resource.values : event.data.product.uuid);
  if (seen.has(id)) {
    if (broken('duplicate-500')) throw new Error('UNIQUE constraint failed: events.id');
    return broken('duplicate-409') ? 409 : broken('duplicate-hangs') ? 0 : 200;
  }
  seen.add(id);
  queue.push(event);
  return 200;
}

function accept(body) {
  let message;
  try {
    message = JSON.parse(body);
  } catch (error) {
    if (broken('crashes-malformed')) { console.error(error); process.exit(1); }
    if (broken('malformed-500')) throw error;
    return broken('malformed-200') ? 200 : 400;
  }
  const events = eventsApi ? message?.events : [message];
  if (!Array.isArray(events) || events.some(event => event === null || typeof event !== 'object'))
    return broken('malformed-200') ? 200 : 400;
  if (broken('no-batches') && events.length > 1) return 400;
  if (broken('first-of-batch')) events.length = 1;
  const statuses = events.map(take);
  return statuses.find(status => status !== 200) ?? 200;
}

// ---- the server -----------------------------------------------------------------------------------

let count = 0, busy = 0, second = 0, inSecond = 0;

async function work() {
  count++;
  if (broken('slow-200')) for (const until = Date.now() + 200; Date.now() < until;);
  if (broken('slow-700')) await sleep(700);
  if (broken('slow-4000')) await sleep(4000);
  if (broken('slow-sometimes') && count % 20 === 0) await sleep(4000);
  if (broken('slow-crowd')) {
    while (busy >= 2) await sleep(5);
    busy++;
    await sleep(120);
    busy--;
  }
}

async function readBody(req) {
  const chunks = [];
  let length = 0;
  for await (const chunk of req) { // to its end, whatever its size: the next request comes behind it
    chunks.push(chunk);
    length += chunk.length;
    if (broken('hangs-large') && length > 64 * 1024) await new Promise(() => {});
  }
  return broken('limit-100k') && length > 100 * 1024 ? null : Buffer.concat(chunks);
}

// The status to answer; 0 is none.
async function handle(req, res) {
  if (broken('not-found')) return 404;
  if (broken('slash-301', 'login-302')) {
    res.setHeader('Location', broken('slash-301') ? req.url + '/' : '/login?next=' + req.url);
    return broken('slash-301') ? 301 : 302;
  }
  if (broken('basic-auth')) {
    res.setHeader('WWW-Authenticate', 'Basic realm="connector"');
    return 401;
  }
  if (req.method === 'HEAD') return broken('head-404') ? 404 : broken('head-204') ? 204 : 200;
  if (req.method !== 'POST') return 405;
  if (broken('cloudevents-only') && req.headers['content-type'] !== 'application/cloudevents+json') return 415;
  const body = await readBody(req);
  if (body === null) return 413;
  if (broken('limit-429')) {
    const now = Math.floor(Date.now() / 1000);
    inSecond = now === second ? inSecond + 1 : 1;
    second = now;
    if (inSecond > 50) return 429;
  }
  if (broken('replies-first')) res.writeHead(200).end();
  if (!verify(req.headers, body)) {
    if (broken('refuses-500')) throw new Error('bad signature');
    return broken('refuses-400') ? 400 : broken('refuses-200') ? 200 : 401;
  }
  if (body.length === 0 && !broken('empty-500')) return eventsApi ? 200 : 400;
  if (body.length === 0) JSON.parse(body);
  await work();
  if (broken('closes-sometimes') && count % 10 === 0) { req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{'); return 0; }
  if (broken('flaky-500') && count % 10 === 0) throw new Error('deadlock detected');
  const status = accept(body);
  const spoiled = { 'status-201': 201, 'status-202': 202, 'status-204': 204 }[BREAK];
  return status === 200 && spoiled ? spoiled : status;
}

http.createServer(async (req, res) => {
  let status;
  try {
    status = await handle(req, res);
  } catch (error) {
    status = 500;
  }
  if (!status || res.writableEnded) return;
  if (broken('half-answer') && req.method === 'POST' && status === 200) { res.writeHead(200, { 'Content-Length': 9 }).write('{'); return; }
  res.writeHead(status).end(req.method === 'HEAD' || status === 204 ? undefined : http.STATUS_CODES[status]);
}).listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${PORT}`));
