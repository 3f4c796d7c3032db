<?php
// A PHP connector for the built-in server (PHP_CLI_SERVER_WORKERS=4 php -S 127.0.0.1:$PORT files.php): one JSON file a
// product, with the ids of the events in it, written aside and renamed under a lock.
//
// SHAPE is what /state shows: list, map, csv, pipe, sku, export.

const BREAKS = [
    'no-dedup' => 'does not look at event ids',
    'race' => 'looks for the id, works for 30 ms, takes the lock',
    'last-arrival' => 'the last to arrive wins',
    'resurrect' => 'forgets all but the ids of a removed product',
    'late-create' => 'created writes a new file',
    'delete-unknown' => 'notes nothing of a removal when there is no product yet',
    'ack-first' => 'answers, and writes 60 ms later',
    'first-of-batch' => 'looks at events[0]',
    'id-first' => 'writes the id, works, writes the product',
    'tmp' => 'keeps its files in a folder that is emptied at start',
    'trusts-forged' => 'writes before it verifies',
];
const SHAPES = ['list', 'map', 'csv', 'pipe', 'sku', 'export'];

if (PHP_SAPI === 'cli') {
    if (in_array('--list', $argv)) {
        echo json_encode(['breaks' => array_keys(BREAKS), 'shapes' => SHAPES]), "\n";
    }
    return;
}
define('BREAK_', getenv('BREAK') ?: '');
define('SHAPE', getenv('SHAPE') ?: 'list');
define('FOLDER', (getenv('DATA') ?: '.') . '/products');
if ((BREAK_ && !isset(BREAKS[BREAK_])) || !in_array(SHAPE, SHAPES)) {
    error_log('no such BREAK or SHAPE');
    http_response_code(500);
    return true;
}
@mkdir(FOLDER, 0777, true);
if (BREAK_ === 'tmp') {
    $started = FOLDER . '/../started-' . posix_getpgrp();
    if (@fopen($started, 'x')) {
        array_map('unlink', glob(FOLDER . '/*.json'));
    }
}

function answer(int $status, string $text = '', string $type = 'text/plain'): bool
{
    http_response_code($status);
    header("Content-Type: $type");
    header('Content-Length: ' . strlen($text));
    echo $text;
    return true;
}

function verified(string $body): bool
{
    $secret = getenv('SECRET') ?: 's3cret';
    $stamp = $_SERVER['HTTP_X_AKENEO_REQUEST_TIMESTAMP'] ?? null;
    if ($stamp !== null) {
        return abs(time() - (int) $stamp) <= 300
            && hash_equals(hash_hmac('sha256', "$stamp.$body", $secret), $_SERVER['HTTP_X_AKENEO_REQUEST_SIGNATURE'] ?? '');
    }
    $wanted = hash_hmac('sha256', $body, $secret);
    return hash_equals($wanted, $_SERVER['HTTP_X_AKENEO_SIGNATURE_PRIMARY'] ?? '')
        || hash_equals($wanted, $_SERVER['HTTP_X_AKENEO_SIGNATURE_SECONDARY'] ?? '');
}

/** The events of a document; an exception when it is not what was promised. */
function events(array $document): array
{
    if (isset($document['specversion'])) {
        $name = str_replace(['com.akeneo.pim.v1.', 'product-model'], ['', 'product_model'], $document['type']);
        [$kind, $action] = explode('.', $name, 2);
        $entity = $document['data'][$kind] ?? [];
        return [['id' => $document['id'], 'kind' => $kind, 'action' => $action, 'key' => $entity['uuid'] ?? $entity['code'] ?? null,
            'sku' => $entity['identifier'] ?? $entity['code'] ?? null, 'at' => $document['time'],
            'values' => array_map(fn ($all) => array_column($all, 'new'), $entity['changes']['values'] ?? []), 'whole' => false]];
    }
    $found = [];
    foreach ($document['events'] as $event) {
        [$kind, $action] = explode('.', $event['action'], 2);
        $resource = $event['data']['resource'];
        $sku = $resource['identifier'] ?? $resource['code'] ?? null;
        $found[] = ['id' => $event['event_id'], 'kind' => $kind, 'action' => $action, 'key' => $resource['uuid'] ?? $sku, 'sku' => $sku,
            'at' => $event['event_datetime'], 'values' => array_map(fn ($all) => array_column($all, 'data'), $resource['values'] ?? []),
            'whole' => isset($resource['values'])];
    }
    return $found;
}

function path(string $key): string
{
    return FOLDER . '/' . preg_replace('/[^a-zA-Z0-9-]/', '_', $key) . '.json';
}

function put(string $path, array $product): void
{
    $aside = $path . '.' . getmypid();
    file_put_contents($aside, json_encode($product));
    rename($aside, $path);
}

function happened(string $text): float
{
    return (float) (new DateTimeImmutable($text))->format('U.u');
}

function get(string $path): ?array
{
    return is_file($path) ? json_decode(file_get_contents($path), true) : null;
}

function apply(array $event): void
{
    $path = path($event['key']);
    $product = get($path);
    if (BREAK_ === 'delete-unknown' && !$product && $event['action'] === 'removed') {
        return;
    }
    $fresh = ['key' => $event['key'], 'sku' => $event['sku'], 'at' => 0, 'gone' => false, 'values' => [], 'ids' => [], 'count' => 0];
    if (isset($product['ids'][$event['id']]) && BREAK_ !== 'no-dedup' && BREAK_ !== 'race') {
        return;
    }
    if (!$product || isset($product['forgotten']) || (BREAK_ === 'late-create' && $event['action'] === 'created')) {
        $product = ['ids' => $product['ids'] ?? []] + $fresh;
    }
    $product['ids'][$event['id']] = 1;
    if (BREAK_ === 'id-first') {
        put($path, $product);
        usleep(60000);
    }
    $product['count']++;
    if (happened($event['at']) >= $product['at'] || BREAK_ === 'last-arrival') {
        $product['at'] = happened($event['at']);
        $product['gone'] = $event['action'] === 'removed';
        $product['sku'] = $event['sku'] ?? $product['sku'];
        $product['values'] = $event['whole'] ? $event['values'] : array_merge($product['values'], $event['values']);
        if (BREAK_ === 'resurrect' && $product['gone']) {
            $product['forgotten'] = true;
        }
    }
    put($path, $product);
}

function store(array $events): void
{
    $lock = fopen(FOLDER . '/../lock', 'c');
    if (BREAK_ === 'race') {
        $events = array_filter(array_column($events, null, 'id'), fn ($e) => !isset((get(path($e['key'])) ?? [])['ids'][$e['id']]));
        usleep(30000);
    }
    flock($lock, LOCK_EX);
    array_walk($events, fn ($event) => apply($event));
    fclose($lock);
}

function state(): array
{
    $products = array_map(fn ($path) => json_decode(file_get_contents($path), true), glob(FOLDER . '/*.json'));
    $products = array_values(array_filter($products, fn ($p) => !isset($p['forgotten'])));
    $n = 0;
    $number = function () use (&$n) {
        return ++$n;
    };
    switch (SHAPE) {
        case 'map':
            return [json_encode(array_combine(array_column($products, 'key'), array_map(fn ($p) => ['gone' => $p['gone'], 'values' => $p['values'], 'count' => $p['count']], $products)), JSON_FORCE_OBJECT | JSON_PRETTY_PRINT), 'application/json'];
        case 'csv':
            $out = fopen('php://memory', 'w+');
            fputcsv($out, ['key', 'sku', 'gone', 'count', 'values', 'read_at']);
            foreach ($products as $p) {
                fputcsv($out, [$p['key'], $p['sku'], $p['gone'] ? 'yes' : 'no', $p['count'], json_encode($p['values']), date(DATE_ATOM)]);
            }
            rewind($out);
            return [stream_get_contents($out), 'text/csv'];
        case 'pipe':
            return [implode('', array_map(fn ($p) => implode(' | ', [$number(), $p['gone'] ? 'gone' : 'live', str_replace('-', '', $p['key']), $p['count'], md5(json_encode($p['values']))]) . "\n", $products)), 'text/plain'];
        case 'sku':
            return [json_encode(['by_sku' => array_combine(array_map(fn ($p) => $p['sku'] ?? $p['key'], $products), array_map(fn ($p) => [$p['gone'] ? 0 : 1, $p['count'], $p['values']], $products))]), 'application/json'];
        case 'export': // var_export's cousin: a line for each, as PHP's serialize writes it
            return [implode("\n", array_map(fn ($p) => serialize([$p['key'], $p['gone'], $p['count'], $p['values']]), $products)), 'text/plain'];
    }
    return [json_encode(array_map(fn ($p) => ['no' => $number(), 'etag' => bin2hex(random_bytes(8))] + array_diff_key($p, ['ids' => 1]), $products)), 'application/json'];
}

if ($_SERVER['REQUEST_METHOD'] === 'HEAD') {
    return answer(200);
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    return $_SERVER['REQUEST_URI'] === '/state' ? answer(200, ...state()) : answer(404);
}
ignore_user_abort(true);
$body = file_get_contents('php://input');
$right = verified($body);
if (!$right && BREAK_ !== 'trusts-forged') {
    return answer(401);
}
if ($body === '') {
    return answer($right ? 200 : 401);
}
try {
    $events = events(json_decode($body, true, 512, JSON_THROW_ON_ERROR));
} catch (Throwable $error) {
    return answer($right ? 400 : 401);
}
foreach ($events as &$event) {
    $event['action'] = str_replace(['deleted', '.delta'], ['removed', ''], $event['action']);
}
unset($event);
$events = array_filter($events, fn ($e) => in_array($e['kind'], ['product', 'product_model']) && in_array($e['action'], ['created', 'updated', 'removed']));
if (BREAK_ === 'first-of-batch') {
    $events = array_slice($events, 0, 1);
}
if (BREAK_ === 'ack-first') {
    answer(200);
    flush();
    usleep(60000);
    store($events);
    return true;
}
store($events);
return answer($right ? 200 : 401);
