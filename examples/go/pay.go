// Creates an order and pays it through a Hufu gateway. Run it in the clone, beside `npm start`: go run examples/go/pay.go
//
// Needs Go 1.19 and only its standard library (Debian, Ubuntu: apt-get install golang-go). HUFU_URL, HUFU_CERTS and
// HUFU_MERCHANT name another gateway and another merchant.
// Exit status: 0 paid, 3 not paid; every other: not known. Then keep the order number and its keys, and ask again later.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const deliveries = 6

var (
	url       = setting("HUFU_URL", "https://localhost:8443") // without a path; no ":443"
	certs     = setting("HUFU_CERTS", "certs")
	merchant  = setting("HUFU_MERCHANT", "800000000000001")
	timeout   = seconds(setting("HUFU_TIMEOUT_SECONDS", "35"))   // the gateway answers within 30
	firstWait = seconds(setting("HUFU_FIRST_WAIT_SECONDS", "1")) // doubled after each delivery

	ours       = must(tls.LoadX509KeyPair(certs+"/merchants/"+merchant+".crt", certs+"/merchants/"+merchant+".key"))
	leaf       = must(x509.ParseCertificate(ours.Certificate[0]))
	keyid      = fmt.Sprintf("%x", sha256.Sum256(leaf.RawSubjectPublicKeyInfo))
	thumbprint = base64.RawURLEncoding.EncodeToString(hash(ours.Certificate[0]))
	// The keys that sign answers, pinned under their names. They are P-256.
	platformKeys = map[string]*ecdsa.PublicKey{"platform-ec": certificate("signing/platform-ec.crt").PublicKey.(*ecdsa.PublicKey)}
	client       = newClient()
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func seconds(text string) time.Duration {
	return time.Duration(must(strconv.ParseFloat(text, 64)) * float64(time.Second))
}

func random(size int) string {
	data := make([]byte, size)
	must(rand.Read(data))
	return fmt.Sprintf("%x", data)
}

func hash(data []byte) []byte { sum := sha256.Sum256(data); return sum[:] }

func digestOf(body []byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(hash(body)) + ":"
}

func certificate(name string) *x509.Certificate {
	block, _ := pem.Decode(must(os.ReadFile(certs + "/" + name)))
	return must(x509.ParseCertificate(block.Bytes))
}

// Mutual TLS: only the operator's own authority may have issued the gateway's certificate. The timeout covers the whole exchange.
func newClient() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(certificate("authority.crt"))
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}, MinVersion: tls.VersionTLS12}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableCompression: true}, Timeout: timeout, CheckRedirect: stay}
}

func signBytes(data []byte) []byte {
	if key, isRsa := ours.PrivateKey.(*rsa.PrivateKey); isRsa {
		return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash(data)))
	}
	r, s, err := ecdsa.Sign(rand.Reader, ours.PrivateKey.(*ecdsa.PrivateKey), hash(data))
	must(r, err)
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...) // P-256: r and s side by side, not DER
}

// The headers of a request with its signature (RFC 9421): a fresh nonce for every delivery, also of a retry.
func sign(method, path string, body []byte, key string) map[string]string {
	names, base, headers := `"@method" "@target-uri"`, fmt.Sprintf("\"@method\": %s\n\"@target-uri\": %s%s\n", method, url, path), map[string]string{}
	cover := func(name, value string) {
		names += ` "` + name + `"`
		base += `"` + name + `": ` + value + "\n"
		headers[name] = value
	}
	cover("merchant-number", merchant)
	if len(body) > 0 {
		cover("content-type", "application/json")
		cover("content-digest", digestOf(body))
		cover("idempotency-key", key)
	}
	params := fmt.Sprintf(`(%s);created=%d;nonce="%s";keyid="%s";tag="hufu-request"`, names, time.Now().Unix(), random(16), keyid)
	headers["signature-input"] = "hufu=" + params
	headers["signature"] = "hufu=:" + base64.StdEncoding.EncodeToString(signBytes([]byte(base+`"@signature-params": `+params))) + ":"
	return headers
}

var (
	inputForm     = regexp.MustCompile(`^hufu=(\(([^()]*)\);created=(\d{1,12});keyid="([^"]+)";tag="hufu-response")$`)
	signatureForm = regexp.MustCompile(`^hufu=:([A-Za-z0-9+/]{86}==):$`)
)

// Gives the headers that the answer's signature covers; believe no other. An error for everything that is not proved.
func verify(method, path string, sent map[string]string, status int, headers http.Header, body []byte) (signed map[string]string, err error) {
	demand := func(fits bool, why string) {
		if err == nil && !fits {
			err = errors.New("NOT verified: " + why)
		}
	}
	received := map[string]string{}
	for name, all := range headers {
		received[strings.ToLower(name)] = strings.Join(all, ", ")
	}
	input, signature := inputForm.FindStringSubmatch(received["signature-input"]), signatureForm.FindStringSubmatch(received["signature"])
	if input == nil || signature == nil {
		return nil, errors.New("NOT verified: the answer carries no signature that is bound to our request")
	}
	bound := map[string]string{`"@status"`: strconv.Itoa(status), `"@method";req`: method, `"@target-uri";req`: url + path,
		`"signature";req;key="hufu"`: sent["signature"][len("hufu="):], `"signature-input";req;key="hufu"`: sent["signature-input"][len("hufu="):]}
	if digest, has := sent["content-digest"]; has {
		bound[`"content-digest";req`] = digest
	}
	required, covered := []string{`"content-digest"`, `"hufu-request-id"`, `"hufu-certificate"`, `"hufu-verified"`}, strings.Split(input[2], " ")
	for identifier := range bound {
		required = append(required, identifier)
	}
	for _, identifier := range required {
		demand(strings.Contains(" "+input[2]+" ", " "+identifier+" "), "the signature does not cover "+identifier)
	}
	base, signed := "", map[string]string{}
	for _, identifier := range covered {
		name := strings.Trim(identifier, `"`)
		value, isBound := bound[identifier]
		if !isBound {
			value, isBound = received[name]
			signed[name] = value
		}
		demand(isBound, "the signature covers "+identifier+", which is not there")
		base += identifier + ": " + value + "\n"
	}
	created, key, raw := must(strconv.ParseInt(input[3], 10, 64)), platformKeys[input[4]], must(base64.StdEncoding.DecodeString(signature[1]))
	r, s := new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])
	demand(time.Since(time.Unix(created, 0)).Abs() <= 300*time.Second, "the answer is too old")
	demand(key != nil, "its key is not pinned: "+input[4])
	demand(received["content-digest"] == digestOf(body), "the body is not the one that was signed")
	demand(key != nil && ecdsa.Verify(key, hash([]byte(base+`"@signature-params": `+input[1])), r, s), "the signature does not fit this answer and our request")
	demand(received["hufu-certificate"] == thumbprint, "the answer was given to another certificate")
	demand(received["hufu-verified"] == "?1", "genuine, but our request was not accepted: "+string(body))
	return signed, err
}

// What the gateway and the core say in their JSON.
type told struct{ Code, Detail, Outcome, Retry, Status any }

// Signs, sends once and verifies. A timeout or a cut connection is an error too, never a failure of the payment.
func deliver(method, path string, body []byte, key string) (status int, signed map[string]string, says told, err error) {
	sent := sign(method, path, body, key)
	request := must(http.NewRequest(method, url+path, bytes.NewReader(body)))
	request.GetBody = nil // else Go itself may send the same bytes again, with a nonce that is spent
	for name, value := range sent {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, says, fmt.Errorf("no answer: %w", err)
	}
	defer answer.Body.Close()
	received, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, says, fmt.Errorf("no answer: %w", err)
	}
	if signed, err = verify(method, path, sent, answer.StatusCode, answer.Header, received); err == nil {
		err = json.Unmarshal(received, &says)
	}
	return answer.StatusCode, signed, says, err
}

// Delivers the same bytes under the same key until the outcome is known. Never takes a new key.
func untilFinal(method, path, text, key string) (bool, string) {
	hadSilence, why := false, ""
	for delivery := 0; delivery < deliveries; delivery++ {
		wait := firstWait << delivery
		status, signed, says, err := deliver(method, path, []byte(text), key)
		if err != nil {
			hadSilence, why = true, err.Error()
		} else {
			isRefusal := signed["content-type"] == "application/problem+json"
			outcome, has := signed["hufu-outcome"]
			if !has && isRefusal {
				outcome = fmt.Sprint(says.Outcome)
			} else if !has {
				outcome = map[bool]string{true: "succeeded", false: "failed"}[status < 300]
			}
			why = strings.ReplaceAll(fmt.Sprint("HTTP ", status, " ", says.Code, " ", says.Status, " ", says.Detail), " <nil>", "")
			// "Not executed" speaks of this delivery; an earlier one without an answer may still be on its way.
			if outcome == "succeeded" || outcome == "failed" || outcome == "not_executed" && !hadSilence {
				return outcome == "succeeded", why
			}
			if isRefusal && says.Retry != "same_key_later" && says.Retry != "query_first" {
				break
			}
			if header, has := signed["retry-after"]; has {
				wait = seconds(header)
			}
		}
		fmt.Fprintf(os.Stderr, "%s %s: outcome unknown, %s\n", method, path, why)
		if delivery+1 < deliveries {
			time.Sleep(wait)
		}
	}
	fmt.Fprintf(os.Stderr, "%s %s: still unknown, %s. Keep the key %s, take no new one\n", method, path, why, key)
	os.Exit(2)
	return false, ""
}

func main() {
	orderNo := fmt.Sprintf("GO-%d-%s", time.Now().Unix(), random(4)) // store it, and the keys made of it, before the first call
	for _, step := range [][4]string{
		{"order", "POST", "/v1/orders", `{"orderNo":"` + orderNo + `","amountFen":1999,"currency":"CNY","subject":"Tea, 250 g (茶叶)"}`},
		{"payment", "POST", "/v1/orders/" + orderNo + "/payments",
			`{"amountFen":1999,"currency":"CNY","method":"OWN_BANK","payer":{"accountNo":"6200000000000001"}}`},
		{"query", "GET", "/v1/orders/" + orderNo, ""},
	} {
		succeeded, why := untilFinal(step[1], step[2], step[3], step[0]+"-"+orderNo)
		fmt.Printf("%s %s: %s, verified\n", step[0], orderNo, why)
		if !succeeded {
			os.Exit(3)
		}
	}
}
