#!/usr/bin/env php
<?php
/**
 * Creates an order and pays it through a Hufu gateway. Run it in the clone, beside `npm start`: php examples/php/pay.php
 *
 * Needs PHP 8.1 with the extensions openssl and curl (Debian, Ubuntu: apt-get install php-cli php-curl). HUFU_URL, HUFU_CERTS and
 * HUFU_MERCHANT name another gateway and another merchant.
 * Exit status: 0 paid, 3 not paid; every other: not known. Then keep the order number and its keys, and ask again later.
 */
declare(strict_types=1);

const DELIVERIES = 6;
define('URL', getenv('HUFU_URL') ?: 'https://localhost:8443'); // without a path; no ":443"
define('CERTS', getenv('HUFU_CERTS') ?: 'certs');
define('MERCHANT', getenv('HUFU_MERCHANT') ?: '800000000000001');
define('TIMEOUT_SECONDS', (float) (getenv('HUFU_TIMEOUT_SECONDS') ?: 35)); // the gateway answers within 30
define('FIRST_WAIT_SECONDS', (float) (getenv('HUFU_FIRST_WAIT_SECONDS') ?: 1)); // doubled after each delivery

define('CERTIFICATE', CERTS . '/merchants/' . MERCHANT . '.crt');
define('KEY_FILE', CERTS . '/merchants/' . MERCHANT . '.key');
define('KEY', openssl_pkey_get_private(file_get_contents(KEY_FILE)) ?: exit(1));
define('KEYID', hash('sha256', der_of(openssl_pkey_get_details(KEY)['key'])));
define('THUMBPRINT', rtrim(strtr(base64_encode(hash('sha256', der_of(file_get_contents(CERTIFICATE)), true)), '+/', '-_'), '='));
// The keys that sign answers, pinned under their names. They are P-256.
define('PLATFORM_KEYS', ['platform-ec' => openssl_pkey_get_public(file_get_contents(CERTS . '/signing/platform-ec.crt'))]);

/** Nothing that can be believed came back: the request may have run. */
class Unknown extends Exception
{
}

/** The bytes of the first block of a PEM text. */
function der_of(string $pem): string
{
    return base64_decode(preg_replace('/.*?-----BEGIN [A-Z ]+-----(.*?)-----END.*/s', '$1', $pem));
}

function demand(bool $fits, string $why): void
{
    $fits || throw new Unknown("NOT verified: $why");
}

function digest_of(string $body): string
{
    return 'sha-256=:' . base64_encode(hash('sha256', $body, true)) . ':';
}

/** An unsigned number of 32 bytes as a DER INTEGER. */
function der_integer(string $number): string
{
    $number = ltrim($number, "\0");
    $number = $number === '' || ord($number[0]) > 127 ? "\0$number" : $number;
    return "\x02" . chr(strlen($number)) . $number;
}

/** openssl gives and wants ECDSA signatures as DER; on the wire are r and s side by side, 32 bytes each. */
function sign_bytes(string $data): string
{
    openssl_sign($data, $signature, KEY, OPENSSL_ALGO_SHA256) || throw new RuntimeException('cannot sign');
    if (openssl_pkey_get_details(KEY)['type'] === OPENSSL_KEYTYPE_RSA) return $signature;
    $number = fn (string $bytes): string => str_pad(ltrim($bytes, "\0"), 32, "\0", STR_PAD_LEFT);
    $length = ord($signature[3]);
    return $number(substr($signature, 4, $length)) . $number(substr($signature, 6 + $length));
}

/** The headers of a request with its signature (RFC 9421): a fresh nonce for every delivery, also of a retry. */
function sign(string $method, string $path, string $body, string $key): array
{
    $headers = ['merchant-number' => MERCHANT];
    if ($body !== '') $headers += ['content-type' => 'application/json', 'content-digest' => digest_of($body), 'idempotency-key' => $key];
    $lines = ['@method' => $method, '@target-uri' => URL . $path] + $headers;
    $params = sprintf(
        '("%s");created=%d;nonce="%s";keyid="%s";tag="hufu-request"',
        implode('" "', array_keys($lines)), time(), bin2hex(random_bytes(16)), KEYID
    );
    $base = '';
    foreach ($lines as $name => $value) $base .= "\"$name\": $value\n";
    $signature = base64_encode(sign_bytes("$base\"@signature-params\": $params"));
    return $headers + ['signature-input' => "hufu=$params", 'signature' => "hufu=:$signature:"];
}

/** The headers that the answer's signature covers; believe no other. Throws Unknown for everything that is not proved. */
function verify(string $method, string $path, array $sent, int $status, array $received, string $body): array
{
    $form = '/^hufu=(\(([^()]*)\);created=(\d{1,12});keyid="([^"]+)";tag="hufu-response")$/D';
    $has = preg_match($form, $received['signature-input'] ?? '', $input)
        && preg_match('/^hufu=:([A-Za-z0-9+\/]{86}==):$/D', $received['signature'] ?? '', $signature);
    demand($has, 'the answer carries no signature that is bound to our request');
    [, $params, $list, $created, $keyid] = $input;
    $bound = ['"@status"' => (string) $status, '"@method";req' => $method, '"@target-uri";req' => URL . $path];
    if (isset($sent['content-digest'])) $bound['"content-digest";req'] = $sent['content-digest'];
    foreach (['signature', 'signature-input'] as $name) $bound["\"$name\";req;key=\"hufu\""] = substr($sent[$name], strlen('hufu='));
    $covered = explode(' ', $list);
    foreach ([...array_keys($bound), '"content-digest"', '"hufu-request-id"', '"hufu-certificate"', '"hufu-verified"'] as $identifier)
        demand(in_array($identifier, $covered, true), "the signature does not cover $identifier");
    $signed = [];
    $base = '';
    foreach ($covered as $identifier) {
        $name = str_replace('"', '', $identifier);
        $value = $bound[$identifier] ?? $received[$name] ?? null;
        demand($value !== null, "the signature covers $identifier, which is not there");
        if (!isset($bound[$identifier])) $signed[$name] = $value;
        $base .= "$identifier: $value\n";
    }
    demand(abs(time() - (int) $created) <= 300, 'the answer is too old');
    demand(isset(PLATFORM_KEYS[$keyid]), "its key is not pinned: $keyid");
    demand(hash_equals(digest_of($body), $signed['content-digest']), 'the body is not the one that was signed');
    $raw = base64_decode($signature[1]);
    $numbers = der_integer(substr($raw, 0, 32)) . der_integer(substr($raw, 32));
    $der = "\x30" . chr(strlen($numbers)) . $numbers;
    $verifies = openssl_verify("$base\"@signature-params\": $params", $der, PLATFORM_KEYS[$keyid], OPENSSL_ALGO_SHA256) === 1;
    demand($verifies, 'the signature does not fit this answer and our request');
    demand($signed['hufu-certificate'] === THUMBPRINT, 'the answer was given to another certificate');
    demand($signed['hufu-verified'] === '?1', "genuine, but our request was not accepted: $body");
    return $signed;
}

/** Signs, sends once over mutual TLS and verifies. A timeout or a cut connection is Unknown too, never a failure. */
function deliver(string $method, string $path, string $body, string $key): array
{
    $sent = sign($method, $path, $body, $key);
    $received = [];
    $lines = ['Expect:'];
    foreach ($sent as $name => $value) $lines[] = "$name: $value";
    $read = function ($curl, string $line) use (&$received): int {
        [$name, $value] = explode(':', $line, 2) + [1 => null];
        if ($value === null) $received = str_starts_with($line, 'HTTP/') ? [] : $received; // the status line, or the empty one at the end
        else $received[strtolower($name)] = implode(', ', array_filter([$received[strtolower($name)] ?? null, trim($value)], 'is_string'));
        return strlen($line);
    };
    $curl = curl_init(URL . $path);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method, CURLOPT_HTTPHEADER => $lines, CURLOPT_HEADERFUNCTION => $read, CURLOPT_RETURNTRANSFER => true,
        CURLOPT_SSLCERT => CERTIFICATE, CURLOPT_SSLKEY => KEY_FILE, CURLOPT_CAINFO => CERTS . '/authority.crt', CURLOPT_PROXY => '',
        CURLOPT_TIMEOUT_MS => (int) (TIMEOUT_SECONDS * 1000),
    ] + ($body === '' ? [] : [CURLOPT_POSTFIELDS => $body]));
    $answer = curl_exec($curl);
    is_string($answer) || throw new Unknown('no answer: ' . curl_error($curl));
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    return [$status, verify($method, $path, $sent, $status, $received, $answer), json_decode($answer, true, flags: JSON_THROW_ON_ERROR)];
}

/** Delivers the same bytes under the same key until the outcome is known. Never takes a new key. */
function until_final(string $method, string $path, ?array $value, string $key): array
{
    $body = $value === null ? '' : json_encode($value, JSON_THROW_ON_ERROR); // serialised once: these bytes are signed and sent
    $had_silence = false;
    for ($delivery = 0; $delivery < DELIVERIES; $delivery += 1) {
        $wait = FIRST_WAIT_SECONDS * 2 ** $delivery;
        try {
            [$status, $signed, $told] = deliver($method, $path, $body, $key);
            $is_refusal = ($signed['content-type'] ?? '') === 'application/problem+json';
            $outcome = $signed['hufu-outcome'] ?? ($is_refusal ? $told['outcome'] : ($status < 300 ? 'succeeded' : 'failed'));
            $why = trim("HTTP $status " . ($told['code'] ?? $told['status'] ?? '') . ' ' . ($told['detail'] ?? ''));
            // "Not executed" speaks of this delivery; an earlier one without an answer may still be on its way.
            if (in_array($outcome, ['succeeded', 'failed'], true) || ($outcome === 'not_executed' && !$had_silence))
                return [$outcome === 'succeeded', $why];
            if ($is_refusal && !in_array($told['retry'], ['same_key_later', 'query_first'], true)) break;
            $wait = (float) ($signed['retry-after'] ?? $wait);
        } catch (Unknown $error) {
            $had_silence = true;
            $why = $error->getMessage();
        }
        fwrite(STDERR, "$method $path: outcome unknown, $why\n");
        if ($delivery + 1 < DELIVERIES) usleep((int) ($wait * 1e6));
    }
    fwrite(STDERR, "$method $path: still unknown, $why. Keep the key $key, take no new one\n");
    exit(2);
}

$order_no = 'PHP-' . time() . '-' . bin2hex(random_bytes(4)); // store it, and the keys made of it, before the first call
$order = ['orderNo' => $order_no, 'amountFen' => 1999, 'currency' => 'CNY', 'subject' => 'Tea, 250 g (茶叶)'];
$payment = ['amountFen' => 1999, 'currency' => 'CNY', 'method' => 'OWN_BANK', 'payer' => ['accountNo' => '6200000000000001']];
$steps = [
    'order' => ['POST', '/v1/orders', $order],
    'payment' => ['POST', "/v1/orders/$order_no/payments", $payment],
    'query' => ['GET', "/v1/orders/$order_no", null],
];
foreach ($steps as $what => [$method, $path, $value]) {
    [$succeeded, $why] = until_final($method, $path, $value, "$what-$order_no");
    echo "$what $order_no: $why, verified\n";
    $succeeded || exit(3);
}
