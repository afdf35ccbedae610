#!/usr/bin/env python3
"""
Creates an order and pays it through a Hufu gateway. Run it in the clone, beside `npm start`: python3 examples/python/pay.py

Needs Python 3.9 and the package `cryptography`, since Python itself can neither sign nor verify (Debian, Ubuntu:
apt-get install python3-cryptography). HUFU_URL, HUFU_CERTS and HUFU_MERCHANT name another gateway and another merchant.
Exit status: 0 paid, 3 not paid; every other: not known. Then keep the order number and its keys, and ask again later.
"""
import base64, hashlib, http.client, json, os, re, secrets, ssl, sys, time
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

URL = os.environ.get("HUFU_URL", "https://localhost:8443")  # without a path; no ":443"
CERTS = os.environ.get("HUFU_CERTS", "certs")
MERCHANT = os.environ.get("HUFU_MERCHANT", "800000000000001")
TIMEOUT_SECONDS = float(os.environ.get("HUFU_TIMEOUT_SECONDS", "35"))  # the gateway answers within 30
FIRST_WAIT_SECONDS = float(os.environ.get("HUFU_FIRST_WAIT_SECONDS", "1"))  # doubled after each delivery
DELIVERIES = 6

read = lambda name: open(os.path.join(CERTS, name), "rb").read()
KEY = serialization.load_pem_private_key(read(f"merchants/{MERCHANT}.key"), None)
KEYID = hashlib.sha256(KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()
# The keys that sign answers, pinned under their names. They are P-256.
PLATFORM_KEYS = {"platform-ec": x509.load_pem_x509_certificate(read("signing/platform-ec.crt")).public_key()}
# Mutual TLS: only the operator's own authority may have issued the gateway's certificate.
TLS = ssl.create_default_context(cafile=os.path.join(CERTS, "authority.crt"))
TLS.load_cert_chain(os.path.join(CERTS, f"merchants/{MERCHANT}.crt"), os.path.join(CERTS, f"merchants/{MERCHANT}.key"))
OUR_CERTIFICATE = x509.load_pem_x509_certificate(read(f"merchants/{MERCHANT}.crt")).fingerprint(hashes.SHA256())
THUMBPRINT = base64.urlsafe_b64encode(OUR_CERTIFICATE).decode().rstrip("=")


class Unknown(Exception):
    """Nothing that can be believed came back: the request may have run."""


def demand(fits, why):
    if not fits:
        raise Unknown(f"NOT verified: {why}")


def digest_of(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


def sign_bytes(data):
    if isinstance(KEY, rsa.RSAPrivateKey):
        return KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())
    r, s = utils.decode_dss_signature(KEY.sign(data, ec.ECDSA(hashes.SHA256())))  # P-256: r and s side by side, not DER
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign(method, path, body, idempotency_key):
    """The headers of a request with its signature (RFC 9421): a fresh nonce for every delivery, also of a retry."""
    headers = {"merchant-number": MERCHANT}
    if body:
        headers.update({"content-type": "application/json", "content-digest": digest_of(body), "idempotency-key": idempotency_key})
    lines = {"@method": method, "@target-uri": URL + path, **headers}
    params = "({});created={};nonce=\"{}\";keyid=\"{}\";tag=\"hufu-request\"".format(
        " ".join(f'"{name}"' for name in lines), int(time.time()), secrets.token_urlsafe(16), KEYID)
    base = "".join(f'"{name}": {value}\n' for name, value in lines.items()) + f'"@signature-params": {params}'
    signature = ":" + base64.b64encode(sign_bytes(base.encode("ascii"))).decode() + ":"
    return {**headers, "signature-input": f"hufu={params}", "signature": f"hufu={signature}"}


def verify(method, path, sent, status, raw_headers, body):
    """The headers that the answer's signature covers; believe no other. Raises Unknown for everything that is not proved."""
    received = {}
    for name, value in raw_headers:
        name = name.lower()
        received[name] = f"{received[name]}, {value.strip()}" if name in received else value.strip()
    match = re.fullmatch(r'hufu=(\(([^()]*)\);created=(\d{1,12});keyid="([^"]+)";tag="hufu-response")', received.get("signature-input", ""))
    signature = re.fullmatch("hufu=:([A-Za-z0-9+/]{86}==):", received.get("signature", ""))
    demand(match and signature, "the answer carries no signature that is bound to our request")
    params, covered, created, keyid = match[1], match[2].split(" "), int(match[3]), match[4]
    bound = {'"@status"': str(status), '"@method";req': method, '"@target-uri";req': URL + path}
    if "content-digest" in sent:
        bound['"content-digest";req'] = sent["content-digest"]
    for name in ("signature", "signature-input"):
        bound[f'"{name}";req;key="hufu"'] = sent[name][len("hufu="):]
    required = [*bound, '"content-digest"', '"hufu-request-id"', '"hufu-certificate"', '"hufu-verified"']
    values = {**{f'"{name}"': value for name, value in received.items()}, **bound}
    for identifier in required:
        demand(identifier in covered, f"the signature does not cover {identifier}")
    for identifier in covered:
        demand(identifier in values, f"the signature covers {identifier}, which is not there")
    base = "".join(f"{identifier}: {values[identifier]}\n" for identifier in covered) + f'"@signature-params": {params}'
    demand(abs(time.time() - created) <= 300, "the answer is too old")
    demand(keyid in PLATFORM_KEYS, f"the key {keyid} is not pinned")
    demand(received["content-digest"] == digest_of(body), "the body is not the one that was signed")
    raw = base64.b64decode(signature[1])
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        PLATFORM_KEYS[keyid].verify(der, base.encode("latin-1"), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        demand(False, "the signature does not fit this answer and our request")
    demand(received["hufu-certificate"] == THUMBPRINT, "the answer was given to another certificate")
    demand(received["hufu-verified"] == "?1", f"genuine, but our request was not accepted: {body.decode(errors='replace')}")
    return {name: value for name, value in received.items() if f'"{name}"' in covered}


def deliver(method, path, body, idempotency_key):
    """Signs, sends once and verifies. A timeout or a cut connection is Unknown too, never a failure."""
    sent = sign(method, path, body, idempotency_key)
    connection = http.client.HTTPSConnection(urlsplit(URL).netloc, context=TLS, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        status, raw_headers, received = answer.status, answer.getheaders(), answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unknown(f"no answer: {error!r}") from error
    finally:
        connection.close()
    return status, verify(method, path, sent, status, raw_headers, received), json.loads(received)


def until_final(method, path, value=None, idempotency_key=None):
    """Delivers the same bytes under the same key until the outcome is known. Never takes a new key."""
    body = b"" if value is None else json.dumps(value).encode()  # serialised once: these bytes are signed and sent
    had_silence = False
    for delivery in range(DELIVERIES):
        wait = FIRST_WAIT_SECONDS * 2**delivery
        try:
            status, signed, told = deliver(method, path, body, idempotency_key)
            is_refusal = signed.get("content-type") == "application/problem+json"
            outcome = signed.get("hufu-outcome") or (told["outcome"] if is_refusal else "succeeded" if status < 300 else "failed")
            why = f"HTTP {status} {told.get('code', told.get('status', ''))} {told.get('detail', '')}".strip()
            # "Not executed" speaks of this delivery; an earlier one without an answer may still be on its way.
            if outcome in ("succeeded", "failed") or (outcome == "not_executed" and not had_silence):
                return outcome == "succeeded", why
            if is_refusal and told["retry"] not in ("same_key_later", "query_first"):
                break
            wait = float(signed.get("retry-after", wait))
        except Unknown as error:
            had_silence, why = True, str(error)
        print(f"{method} {path}: outcome unknown, {why}", file=sys.stderr)
        if delivery + 1 < DELIVERIES:
            time.sleep(wait)
    print(f"{method} {path}: still unknown, {why}. Keep the key {idempotency_key}, take no new one", file=sys.stderr)
    sys.exit(2)


def main():
    order_no = f"PY-{int(time.time())}-{secrets.token_hex(4)}"  # store it, and the keys made of it, before the first call
    order = {"orderNo": order_no, "amountFen": 1999, "currency": "CNY", "subject": "Tea, 250 g (茶叶)"}
    payment = {"amountFen": 1999, "currency": "CNY", "method": "OWN_BANK", "payer": {"accountNo": "6200000000000001"}}
    for what, method, path, value in (
        ("order", "POST", "/v1/orders", order),
        ("payment", "POST", f"/v1/orders/{order_no}/payments", payment),
        ("query", "GET", f"/v1/orders/{order_no}", None),
    ):
        succeeded, why = until_final(method, path, value, f"{what}-{order_no}")
        print(f"{what} {order_no}: {why}, verified")
        if not succeeded:
            sys.exit(3)


main()
