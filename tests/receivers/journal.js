// A Node connector that appends what it applied to a file, one line an event, and reads it again when it starts.
// The file itself is its state (cat journal.ndjson), or /state, the products that come of it.
'use strict';
const crypto = require('crypto'), fs = require('fs'), http = require('http'), path = require('path');

const BREAKS = {
  'no-dedup': 'appends whatever comes',
  'dedup-memory': 'does not read the ids when it starts',
  'last-arrival': 'the last line wins',
  'buffered': 'appends four times a second',
  'truncates': 'opens its file with w when it starts',
  'first-of-batch': 'looks at events[0]',
  'trusts-forged': 'appends before it verifies',
};
const BREAK = process.env.BREAK || '', SECRET = process.env.SECRET || 's3cret';
if (process.argv[2] === '--list') { console.log(JSON.stringify({ breaks: Object.keys(BREAKS), shapes: [] })); process.exit(); }
if (BREAK && !BREAKS[BREAK]) { console.error(BREAKS); process.exit(2); }

const folder = process.env.DATA || '.', file = path.join(folder, 'journal.ndjson');
fs.mkdirSync(folder, { recursive: true });
const lines = [], seen = new Set();
if (fs.existsSync(file) && BREAK !== 'truncates')
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    let entry;
    try { entry = JSON.parse(line); } catch (error) { continue; } // the last one, cut by a crash: it was not acknowledged
    lines.push(entry);
    if (BREAK !== 'dedup-memory') seen.add(entry.event);
  }
const out = fs.openSync(file, BREAK === 'truncates' ? 'w' : 'a');
fs.writeSync(out, '\n'); // after a line that was cut
let waiting = '';
if (BREAK === 'buffered') setInterval(() => { if (waiting) fs.writeSync(out, waiting); waiting = ''; }, 250);

function append(entries) {
  const text = entries.map((entry) => JSON.stringify(entry) + '\n').join('');
  lines.push(...entries);
  if (BREAK === 'buffered') waiting += text;
  else fs.writeSync(out, text);
}

// [type, id, time, key, what it says]
function events(document) {
  if (document.specversion) {
    const data = document.data, about = data.product || data.product_model;
    return [[document.type, document.id, document.time, about && (about.uuid || about.code), about && about.changes && about.changes.values]];
  }
  return document.events.map((event) => {
    const { uuid, identifier, code, values } = event.data.resource;
    return [event.action, event.event_id, event.event_datetime, uuid || identifier || code, values];
  });
}

function products() {
  const found = {};
  for (const { about, type, time, says } of BREAK === 'last-arrival' ? lines : [...lines].sort((a, b) => Date.parse(a.time) - Date.parse(b.time))) {
    const one = (found[about] ||= { gone: false, content: {} });
    one.gone = /removed|deleted/.test(type);
    one.content = { ...one.content, ...(says || {}) };
    one.applied = (one.applied || 0) + 1;
  }
  return found;
}

function verified(headers, body) {
  const stamp = headers['x-akeneo-request-timestamp'];
  if (stamp && Math.abs(Date.now() / 1000 - stamp) > 300) return false;
  const wanted = crypto.createHmac('sha256', SECRET).update(stamp ? stamp + '.' : '').update(body).digest('hex');
  return ['x-akeneo-request-signature', 'x-akeneo-signature-primary', 'x-akeneo-signature-secondary'].some((name) =>
    (name.includes('request') ? stamp : !stamp) && (headers[name] || '').length === 64 && crypto.timingSafeEqual(Buffer.from(headers[name], 'latin1'), Buffer.from(wanted)));
}

http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    const answer = (status, text = '') => response.writeHead(status, { 'Content-Length': Buffer.byteLength(text) }).end(text);
    if (request.method === 'HEAD') return answer(200);
    if (request.method === 'GET') return request.url === '/state' ? answer(200, JSON.stringify(products())) : answer(404);
    const body = Buffer.concat(chunks), right = verified(request.headers, body);
    if (!right && BREAK !== 'trusts-forged') return answer(401);
    let entries = [];
    try {
      if (body.length) entries = events(JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(body)));
    } catch (error) { return answer(right ? 400 : 401); }
    entries = entries.filter(([type]) => /product[_-]?(model)?\.(created|updated|updated\.delta|removed|deleted)$/.test(type));
    if (BREAK === 'first-of-batch') entries = entries.slice(0, 1);
    if (BREAK !== 'no-dedup') entries = entries.filter(([, id]) => !seen.has(id) && seen.add(id));
    append(entries.map(([type, id, time, about, says]) => ({ at: Date.now(), event: id, type, time, about, says })));
    answer(right ? 200 : 401);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
