<?php
// A PHP port for the built-in server (PHP_CLI_SERVER_WORKERS=4 php -S 127.0.0.1:$PORT files.php): one JSON file a
// product, in a folder, under a lock. /aep asks the PIM before it answers.
//
// SHAPE is what is kept: raw (the resource), card (what a page of the shop needs), flags (a card that survives removal).

const BREAKS = [
    'light-as-full' => 'json_encode($event["data"]["product"]), as with the Events API',
    'empty-name' => 'the file is called after the identifier in the event: ".json"',
    'name-uuid' => 'the file, and the sku in it, are the uuid',
    'unlink-identifier' => 'unlinks the file of the identifier in the event',
    'removed-only' => 'str_ends_with($type, ".removed")',
    'flag-lost' => 'unlinks what the Events API flags',
    'only-products' => 'in_array($kind, ["product", "product_model"])',
    'by-identifier' => 'file_get_contents("$pim/products/$uuid"), with @',
    'first-stays' => 'fetches only when there is no file yet',
    'no-enabled' => 'forgets enabled, and takes true',
    'numeric' => 'JSON_NUMERIC_CHECK',
    'casts' => '(int) of what was a decimal',
    'own' => 'applies its own changes',
    'own-source' => 'drops its own by `source`, which is the PIM for all',
    'second-file' => 'an old file is not its own: it makes another one, called after uuid and identifier',
    'links-late' => 'links only what AEP told of',
    'delta-unset' => 'a delta sets what it names, and unsets what it does not',
    'delta-old' => 'reset($change): the first member is `previous`',
    // no loss
    'delta-fetches' => 'a delta is a reason to ask again, like any event',
    'adds-uuid' => 'keeps the uuid of what came with AEP',
];
const SHAPES = ['raw', 'card', 'flags'];

if (PHP_SAPI === 'cli') {
    if (in_array('--list', $argv)) {
        echo json_encode(['breaks' => array_keys(BREAKS), 'shapes' => SHAPES]), "\n";
    }
    return;
}
define('BREAK_', getenv('BREAK') ?: '');
define('SHAPE', getenv('SHAPE') ?: 'raw');
define('DATA', getenv('DATA') ?: '.');
define('PIM', rtrim(getenv('PIMSIM_PIM_URL') ?: '', '/'));
define('CLIENT', getenv('CLIENT') ?: 'pimsim-connector');
if ((BREAK_ && !isset(BREAKS[BREAK_])) || !in_array(SHAPE, SHAPES)) {
    error_log('no such BREAK or SHAPE');
    http_response_code(500);
    return true;
}
foreach (['products', 'links'] as $folder) {
    @mkdir(DATA . "/$folder", 0777, true);
}

function answer(int $status, string $text = ''): bool
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($text));
    echo $text;
    return true;
}

// ---- the PIM

/** The status and the document. */
function call(string $method, string $path, array $headers, string $body = ''): array
{
    $http = ['method' => $method, 'header' => implode("\r\n", $headers), 'content' => $body, 'ignore_errors' => true, 'timeout' => 5];
    $text = file_get_contents(PIM . $path, false, stream_context_create(['http' => $http]));
    preg_match('~ (\d{3})~', $http_response_header[0] ?? '', $status);
    return [(int) ($status[1] ?? 0), json_decode((string) $text, true)];
}

function token(bool $fresh): string
{
    $file = DATA . '/token';
    if ($fresh || !is_file($file)) {
        [, $answer] = call('POST', '/api/oauth/v1/token', ['Authorization: Basic ' . base64_encode(CLIENT . ':secret'), 'Content-Type: application/json'],
            json_encode(['grant_type' => 'password', 'username' => 'shop', 'password' => 'shop']));
        file_put_contents($file, $answer['access_token'], LOCK_EX);
    }
    return file_get_contents($file);
}

function resource(string $kind, string $key): ?array
{
    $path = $kind === 'product_model' ? 'product-models' : (BREAK_ === 'by-identifier' ? 'products' : 'products-uuid');
    foreach ([false, true] as $fresh) {
        [$status, $document] = call('GET', "/api/rest/v1/$path/" . rawurlencode($key), ['Authorization: Bearer ' . token($fresh)]);
        if ($status !== 401) {
            break;
        }
    }
    return $status === 200 ? $document : null;
}

// ---- files

function path(string $name, string $folder = 'products'): string
{
    return DATA . "/$folder/" . preg_replace('/[^a-zA-Z0-9-]/', '_', $name) . '.json';
}

function read(string $path): ?array
{
    return is_file($path) ? json_decode(file_get_contents($path), true) : null;
}

function write(string $path, $value, int $flags = 0): void
{
    file_put_contents("$path.new", json_encode($value, $flags));
    rename("$path.new", $path);
}

/** What the file of an entity of AEP is called. */
function linked(string $key): string
{
    return read(path($key, 'links'))[0] ?? $key;
}

/** Under the lock: requests are answered by several processes. */
function locked(callable $work): void
{
    $lock = fopen(DATA . '/lock', 'c');
    flock($lock, LOCK_EX);
    $work();
    fclose($lock);
}

/** An attribute's data: in English, or whatever there is. */
function value(array $resource, string $attribute)
{
    foreach ($resource['values'][$attribute] ?? [] as $one) {
        if (in_array($one['locale'], [null, 'en_US'], true)) {
            return $one['data'];
        }
    }
    return $resource['values'][$attribute][0]['data'] ?? null;
}

function kept(array $resource, bool $ofAep): array
{
    if (SHAPE === 'raw') {
        unset($resource['_links']);
        return $ofAep && BREAK_ === 'no-enabled' ? ['enabled' => true] + $resource : $resource;
    }
    $card = ['sku' => $resource['identifier'] ?? $resource['code'] ?? null, 'title' => value($resource, 'name'), 'family' => $resource['family'] ?? null,
        'weight' => value($resource, 'weight'), 'prices' => array_column(value($resource, 'price') ?? [], 'amount', 'currency'),
        'shelves' => $resource['categories'] ?? [], 'on' => $ofAep && BREAK_ === 'no-enabled' ? true : $resource['enabled'] ?? null,
        'updated' => $resource['updated'] ?? null];
    if ($ofAep && BREAK_ === 'casts') {
        $card['prices'] = array_map('intval', $card['prices']);
    }
    if ($ofAep && BREAK_ === 'adds-uuid') {
        $card['uuid'] = $resource['uuid'] ?? null;
    }
    return $card;
}

function put(string $name, array $resource, bool $ofAep): void
{
    $known = read(path($name));
    if (($known['updated'] ?? '') <= ($resource['updated'] ?? '9')) {
        write(path($name), kept($resource, $ofAep), $ofAep && BREAK_ === 'numeric' ? JSON_NUMERIC_CHECK : 0);
    }
}

function remove(string $name, bool $ofAep): void
{
    $known = read(path($name));
    if ($known && SHAPE === 'flags' && !($ofAep && BREAK_ === 'flag-lost')) {
        write(path($name), ['removed' => true] + $known);
    } else {
        @unlink(path($name));
    }
}

// ---- the Events API

function old(array $document): void
{
    foreach ($document['events'] as $event) {
        $resource = $event['data']['resource'];
        $name = $resource['identifier'] ?? $resource['code'];
        locked(function () use ($event, $resource, $name) {
            if (str_ends_with($event['action'], '.removed')) {
                remove($name, false);
                return;
            }
            if (isset($resource['uuid']) && !in_array(BREAK_, ['links-late', 'second-file', 'first-stays'])) {
                write(path($resource['uuid'], 'links'), [$name]);
            }
            put($name, $resource, false);
        });
    }
}

// ---- the Event Platform

function aep(array $event): void
{
    [$kind, $action] = explode('.', substr($event['type'], strlen('com.akeneo.pim.v1.')), 2);
    $kind = BREAK_ === 'only-products' ? $kind : str_replace('-', '_', $kind);
    if (!in_array($kind, ['product', 'product_model'])) {
        return;
    }
    $own = BREAK_ === 'own-source' ? $event['source'] === CLIENT : ($event['data']['author']['identifier'] ?? null) === CLIENT;
    if ($own && BREAK_ !== 'own') {
        return;
    }
    $entity = $event['data'][$kind];
    $key = $entity['uuid'] ?? $entity['code'];
    if ($action === 'deleted') {
        if (BREAK_ !== 'removed-only') {
            $name = BREAK_ === 'unlink-identifier' ? $entity['identifier'] ?? $entity['code'] ?? '' : linked($key);
            locked(fn () => remove($name, true));
        }
        return;
    }
    if ($action === 'updated.delta' && BREAK_ !== 'delta-fetches') {
        if (in_array(BREAK_, ['delta-unset', 'delta-old'])) {
            locked(fn () => apply_delta(linked($key), $entity['changes']['values'] ?? []));
        }
        return; // the light event comes too
    }
    if (BREAK_ === 'first-stays' && read(path($key, 'links'))) {
        return;
    }
    $resource = BREAK_ === 'light-as-full' ? $entity : resource($kind, $key);
    if (!$resource) {
        return;
    }
    $name = $resource['identifier'] ?? $resource['code'] ?? $key;
    if ($kind === 'product') {
        if (BREAK_ === 'empty-name') {
            $name = $entity['identifier'] ?? '';
        } elseif (BREAK_ === 'name-uuid') {
            $name = $resource['identifier'] = $key;
        } elseif (BREAK_ === 'second-file' && is_file(path($name)) && linked($key) !== $name) {
            $name = "$key-$name";
        }
    }
    locked(function () use ($key, $name, $resource) {
        write(path($key, 'links'), [$name]);
        put($name, $resource, true);
    });
}

/** Wrong in one way or the other. */
function apply_delta(string $name, array $changes): void
{
    $known = read(path($name));
    if (!$known || SHAPE !== 'raw') {
        return;
    }
    if (BREAK_ === 'delta-unset') {
        $known['values'] = array_intersect_key($known['values'], $changes);
    } else {
        foreach ($changes as $attribute => $all) {
            foreach ($known['values'][$attribute] ?? [] as $n => $one) {
                foreach ($all as $change) {
                    if ([$one['locale'], $one['scope']] === [$change['locale'], $change['scope']] && is_string($one['data'])) {
                        $known['values'][$attribute][$n]['data'] = reset($change);
                    }
                }
            }
        }
    }
    write(path($name), $known);
}

// ---- what it shows

function state(): string
{
    return json_encode(array_map(fn ($file) => ['file' => basename($file, '.json'), 'product' => read($file)], glob(DATA . '/products/*.json')));
}

function verified(string $path, string $body): bool
{
    $secret = getenv('SECRET') ?: 's3cret';
    if ($path === '/old') {
        $stamp = $_SERVER['HTTP_X_AKENEO_REQUEST_TIMESTAMP'] ?? '';
        return abs(time() - (int) $stamp) <= 300 && hash_equals(hash_hmac('sha256', "$stamp.$body", $secret), $_SERVER['HTTP_X_AKENEO_REQUEST_SIGNATURE'] ?? '');
    }
    $wanted = hash_hmac('sha256', $body, $secret);
    return hash_equals($wanted, $_SERVER['HTTP_X_AKENEO_SIGNATURE_PRIMARY'] ?? '') || hash_equals($wanted, $_SERVER['HTTP_X_AKENEO_SIGNATURE_SECONDARY'] ?? '');
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($_SERVER['REQUEST_METHOD'] === 'HEAD') {
    return answer(200);
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    return $path === '/state' ? answer(200, state()) : answer(404);
}
$body = file_get_contents('php://input');
if (!in_array($path, ['/old', '/aep'])) {
    return answer(404);
}
if (!verified($path, $body)) {
    return answer(401);
}
$document = json_decode($body, true);
if ($body !== '' && !is_array($document)) {
    return answer(400);
}
if ($document) {
    $path === '/old' ? old($document) : aep($document);
}
return answer(200);
