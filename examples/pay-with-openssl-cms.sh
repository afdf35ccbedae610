#!/bin/sh
# Creates an order and pays it with curl and openssl alone: requests and answers carry a detached CMS signature (PKCS#7).
# The merchant's file needs `signatures: [cms]` and `keySources: [message]`; see docs/signatures.md.
#
#   sh examples/pay-with-openssl-cms.sh https://localhost:8443 800000000000001 ORDER-NO AMOUNT-FEN [CERTS]
set -eu
URL=$1 MERCHANT=$2 ORDER=$3 AMOUNT=$4 CERTS=${5:-certs}
CRT=$CERTS/merchants/$MERCHANT.crt KEY=$CERTS/merchants/$MERCHANT.key
W=$(mktemp -d) && trap 'rm -rf "$W"' EXIT
header() { tr -d '\r' < "$W/answer.headers" | awk -v name="$1:" 'tolower($1) == name { sub(/^[^ ]* /, ""); print }'; }

# call METHOD PATH IDEMPOTENCY-KEY BODY: signs, sends, verifies; prints the body of the answer.
call() {
  printf '%s' "$4" > "$W/body"
  created=$(date +%s) nonce=$(openssl rand -hex 16)
  {
    printf 'hufu-cms-request-1\nmethod: %s\ntarget-uri: %s\nmerchant-number: %s\n' "$1" "$URL$2" "$MERCHANT"
    printf 'created: %s\nnonce: %s\ncontent-type: application/json\nidempotency-key: %s\n\n' "$created" "$nonce" "$3"
    cat "$W/body"
  } > "$W/signed"
  openssl cms -sign -binary -md sha256 -in "$W/signed" -signer "$CRT" -inkey "$KEY" -outform DER -out "$W/signed.p7"
  status=$(curl --silent --show-error --cert "$CRT" --key "$KEY" --cacert "$CERTS/authority.crt" -X "$1" "$URL$2" \
    -H 'Content-Type: application/json' -H "Idempotency-Key: $3" -H "X-CMS-Created: $created" -H "X-CMS-Nonce: $nonce" \
    -H "X-CMS-Signature: $(openssl base64 -A -in "$W/signed.p7")" --data-binary @"$W/body" \
    -D "$W/answer.headers" -o "$W/answer" -w '%{http_code}')
  answered=$(header x-cms-created)
  [ -n "$answered" ] || { cat "$W/answer" >&2; echo "the answer ($status) has no signature of this kind: nothing is proven" >&2; exit 1; }
  [ $((answered - created)) -le 300 ] && [ $((created - answered)) -le 300 ] || { echo 'the answer is not of now' >&2; exit 1; }
  {
    printf 'hufu-cms-answer-1\nstatus: %s\nrequest-id: %s\nrequest-nonce: %s\n' "$status" "$(header hufu-request-id)" "$nonce"
    printf 'created: %s\ncontent-type: %s\n\n' "$answered" "$(header content-type)"
    cat "$W/answer"
  } > "$W/answered"
  header x-cms-signature | openssl base64 -d -A > "$W/answered.p7"
  openssl cms -verify -binary -inform DER -in "$W/answered.p7" -content "$W/answered" -purpose any \
    -CAfile "$CERTS/signing-authority.crt" -partial_chain -out /dev/null 2> "$W/openssl" || { cat "$W/openssl" >&2; exit 1; }
  echo "$status $(cat "$W/answer")"
}

call POST /v1/orders "order-$ORDER" "{\"orderNo\":\"$ORDER\",\"amountFen\":$AMOUNT,\"currency\":\"CNY\",\"subject\":\"tea\"}"
call POST "/v1/orders/$ORDER/payments" "pay-$ORDER" \
  "{\"amountFen\":$AMOUNT,\"currency\":\"CNY\",\"method\":\"OWN_BANK\",\"payer\":{\"accountNo\":\"6200000000000001\"}}"
