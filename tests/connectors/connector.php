<?php
// An Akeneo connector in PHP: verifies over the raw bytes, spools, answers; a worker empties the spool.
//
//   SECRET=s3cr3t PLATFORM=aep STORE=/tmp/spool php -S 127.0.0.1:3000 connector.php
//
// BREAK=NAME breaks it in one of the ways below, as connectors in the wild are;
// `php connector.php` names them. PHP's built-in server serves one request at a time.
declare(strict_types=1);

const BREAKS = [
    // how it verifies
    'json-encode' => 'verifies over json_encode(json_decode($body))',
    'post' => 'verifies over http_build_query($_POST)',
    'no-dot' => 'signs timestamp and body without the dot',
    'raw-digest' => 'base64_encode(hash_hmac(…, binary: true))',
    'sha1' => 'uses SHA-1',
    'loose' => 'compares with ==, and takes an empty header for false',
    'substring' => 'looks whether its digest starts with the header',
    'ignore-case' => 'compares with strcasecmp',
    'secret-newline' => 'file_get_contents of the secret, with its newline',
    'accepts-missing' => 'isset($_SERVER[…]) && … refuse',
    'algorithm' => 'demands the algorithm header in lower case',
    'refuses-302' => 'redirects who is not authenticated to the login page',
    // how it answers
    'sleeps-60' => 'works for 60 ms, one request at a time',
    'sleeps-300' => 'works for 300 ms, one request at a time',
    'warning' => 'prints a warning before its status, and so answers 200 to all',
    'fatal-removed' => 'counts on what a removed product, or another entity, does not have: a TypeError',
    'status-202' => 'answers 202',
    'no-head' => 'answers 405 to HEAD',
    'exit-0' => 'exits before it has read or verified anything',
    // what it takes
    'post-max' => 'refuses more than 512 kB',
    'depth' => 'json_decode without a check: a TypeError on null',
    'test-400' => 'answers 400 to the empty body of the Test button',
    'match-throws' => 'match without default: UnhandledMatchError on an unknown type',
    'duplicate-500' => 'lets PDOException out when the event is there already',
    'per-event-work' => 'works 70 ms on each event of a request',
];

if (PHP_SAPI === 'cli') {
    echo implode("\n", array_keys(BREAKS)), "\n";
    exit;
}
ini_set('display_errors', '0');

function broken(string ...$names): bool
{
    return in_array((string) getenv('BREAK'), $names, true);
}

$eventsApi = getenv('PLATFORM') === 'events-api';
$body = file_get_contents('php://input');

function signature(string $body): string
{
    global $eventsApi;
    $secret = getenv('SECRET') . (broken('secret-newline') ? "\n" : '');
    if (broken('json-encode')) {
        $body = json_encode(json_decode($body, true));
    }
    if (broken('post')) {
        $body = http_build_query($_POST);
    }
    $signed = $eventsApi
        ? ($_SERVER['HTTP_X_AKENEO_REQUEST_TIMESTAMP'] ?? '') . (broken('no-dot') ? '' : '.') . $body
        : $body;
    return broken('raw-digest')
        ? base64_encode(hash_hmac('sha256', $signed, $secret, true))
        : hash_hmac(broken('sha1') ? 'sha1' : 'sha256', $signed, $secret);
}

function same(string $wanted, ?string $given): bool
{
    return match (true) {
        broken('substring') => $given !== null && str_starts_with($wanted, $given),
        broken('loose') => !$given || $wanted == $given,
        broken('ignore-case') => $given !== null && strcasecmp($wanted, $given) === 0,
        default => $given !== null && hash_equals($wanted, $given),
    };
}

function verified(string $body): bool
{
    global $eventsApi;
    $given = $eventsApi
        ? [$_SERVER['HTTP_X_AKENEO_REQUEST_SIGNATURE'] ?? null]
        : [$_SERVER['HTTP_X_AKENEO_SIGNATURE_PRIMARY'] ?? null, $_SERVER['HTTP_X_AKENEO_SIGNATURE_SECONDARY'] ?? null];
    if (broken('accepts-missing') && !array_filter($given, fn ($one) => $one !== null)) {
        return true;
    }
    if (broken('algorithm') && ($_SERVER['HTTP_X_AKENEO_SIGNATURE_ALGORITHM'] ?? '') !== 'hmacsha256') {
        return false;
    }
    $wanted = signature($body);
    $good = same($wanted, $given[0]) || (!$eventsApi && isset($given[1]) && same($wanted, $given[1]));
    return $good && (!$eventsApi || abs(time() - (int) ($_SERVER['HTTP_X_AKENEO_REQUEST_TIMESTAMP'] ?? 0)) < 300);
}

function spool(array $events): void
{
    global $eventsApi;
    $store = getenv('STORE');
    foreach ($events as $event) {
        if (broken('per-event-work')) {
            usleep(70000);
        }
        if (broken('duplicate-500') && !@fopen("$store-" . ($eventsApi ? $event['event_id'] : $event['id']), 'x')) {
            throw new RuntimeException('SQLSTATE[23000]: Integrity constraint violation');
        }
        if (broken('fatal-removed')) {
            (fn (array $changed) => count($changed))($eventsApi ? $event['data']['resource']['values'] ?? null : $event['data']['product'] ?? null);
        }
        if (broken('match-throws')) {
            match (preg_replace('/.*\.(?=\w+[.-]?\w*$)/', '', $eventsApi ? $event['action'] : $event['type'])) {
                'created', 'updated', 'removed', 'deleted', 'completed', 'delta', 'status-changed', 'became-complete',
                'became-incomplete' => true,
            };
        }
    }
    file_put_contents($store, json_encode($events, JSON_PARTIAL_OUTPUT_ON_ERROR) . "\n", FILE_APPEND | LOCK_EX);
}

function handle(string $body): int
{
    global $eventsApi;
    if (broken('exit-0')) {
        exit;
    }
    if ($_SERVER['REQUEST_METHOD'] === 'HEAD') {
        return broken('no-head') ? 405 : 200;
    }
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    if (broken('post-max') && strlen($body) > 512 * 1024) {
        return 413;
    }
    if (!verified($body)) {
        if (broken('refuses-302')) {
            header('Location: /login');
            return 302;
        }
        return 401;
    }
    if ($body === '') {
        return $eventsApi && !broken('test-400') ? 200 : 400;
    }
    usleep(broken('sleeps-60') ? 60000 : (broken('sleeps-300') ? 300000 : 0));
    $message = json_decode($body, true, 512);
    if (broken('depth')) {
        $message = (fn (array $decoded) => $decoded)($message);
    }
    $events = $eventsApi ? $message['events'] ?? null : [$message];
    if (!is_array($events) || array_filter($events, fn ($event) => !is_array($event) || !is_string($event[$eventsApi ? 'event_id' : 'id'] ?? null))) {
        return 400;
    }
    spool($events);
    return broken('status-202') ? 202 : 200;
}

try {
    if (broken('warning')) {
        echo "Warning: Undefined array key\n";
        flush();
    }
    http_response_code(handle($body));
} catch (Throwable $error) {
    http_response_code(500);
    error_log($error->getMessage());
}
return true;
