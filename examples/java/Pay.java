import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Creates an order and pays it through a Hufu gateway. Run it in the clone, beside `npm start`: java examples/java/Pay.java
 *
 * <p>Needs Java 17 and nothing else (Debian, Ubuntu: apt-get install default-jdk-headless). HUFU_URL, HUFU_CERTS and HUFU_MERCHANT
 * name another gateway and another merchant.
 * Exit status: 0 paid, 3 not paid; every other: not known. Then keep the order number and its keys, and ask again later.
 */
public class Pay {
    static final String URL = setting("HUFU_URL", "https://localhost:8443"); // without a path; no ":443"
    static final String CERTS = setting("HUFU_CERTS", "certs");
    static final String MERCHANT = setting("HUFU_MERCHANT", "800000000000001");
    static final double TIMEOUT_SECONDS = Double.parseDouble(setting("HUFU_TIMEOUT_SECONDS", "35")); // the gateway answers within 30
    static final double FIRST_WAIT_SECONDS = Double.parseDouble(setting("HUFU_FIRST_WAIT_SECONDS", "1")); // doubled each time
    static final int DELIVERIES = 6;
    static final Pattern INPUT = Pattern.compile("hufu=(\\(([^()]*)\\);created=(\\d{1,12});keyid=\"([^\"]+)\";tag=\"hufu-response\")");
    static final Pattern SIGNATURE = Pattern.compile("hufu=:([A-Za-z0-9+/]{86}==):");

    /** Nothing that can be believed came back: the request may have run. */
    static class Unknown extends Exception {
        Unknown(String why) { super(why); }
    }

    /** A verified answer; `signed` are the headers that its signature covers. Believe no other. */
    record Answer(int status, Map<String, String> signed, String body) {
        /** A text of the flat JSON that gateway and core answer with; a program of yours has a JSON library. */
        String told(String name) {
            Matcher match = Pattern.compile("\"" + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(body);
            return match.find() ? match.group(1) : "";
        }
    }

    final Certificate[] chain = certificates("merchants/" + MERCHANT + ".crt");
    final PublicKey publicKey = chain[0].getPublicKey();
    final boolean isRsa = publicKey.getAlgorithm().equals("RSA");
    final PrivateKey key = privateKey("merchants/" + MERCHANT + ".key", publicKey.getAlgorithm());
    final String keyid = HexFormat.of().formatHex(sha256(publicKey.getEncoded()));
    final String thumbprint = Base64.getUrlEncoder().withoutPadding().encodeToString(sha256(chain[0].getEncoded()));
    // The keys that sign answers, pinned under their names. They are P-256.
    final Map<String, PublicKey> platformKeys = Map.of("platform-ec", certificates("signing/platform-ec.crt")[0].getPublicKey());
    final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(tls()).build();

    Pay() throws Exception {}

    static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    static byte[] sha256(byte[] data) throws Exception {
        return MessageDigest.getInstance("SHA-256").digest(data);
    }

    static String base64(byte[] data) {
        return Base64.getEncoder().encodeToString(data);
    }

    static String digestOf(byte[] body) throws Exception {
        return "sha-256=:" + base64(sha256(body)) + ":";
    }

    static Certificate[] certificates(String name) throws Exception {
        try (var file = new FileInputStream(CERTS + "/" + name)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(file).toArray(new Certificate[0]);
        }
    }

    /** A key file as openssl genpkey writes it (PKCS #8, not encrypted). */
    static PrivateKey privateKey(String name, String algorithm) throws Exception {
        String text = Files.readString(Path.of(CERTS, name)).replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    }

    /** Mutual TLS: only the operator's own authority may have issued the gateway's certificate. */
    SSLContext tls() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("merchant", key, new char[0], chain);
        var ours = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        ours.init(store, new char[0]);
        KeyStore authorities = KeyStore.getInstance("PKCS12");
        authorities.load(null, null);
        authorities.setCertificateEntry("authority", certificates("authority.crt")[0]);
        var trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(authorities);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(ours.getKeyManagers(), trusted.getTrustManagers(), null);
        return context;
    }

    /** The headers of a request with its signature (RFC 9421): a fresh nonce for every delivery, also of a retry. */
    Map<String, String> sign(String method, String path, byte[] body, String idempotencyKey) throws Exception {
        var headers = new LinkedHashMap<String, String>();
        headers.put("merchant-number", MERCHANT);
        if (body.length > 0) {
            headers.put("content-type", "application/json");
            headers.put("content-digest", digestOf(body));
            headers.put("idempotency-key", idempotencyKey);
        }
        var lines = new LinkedHashMap<String, String>(Map.of("@method", method));
        lines.put("@target-uri", URL + path);
        lines.putAll(headers);
        byte[] nonce = new byte[16];
        new SecureRandom().nextBytes(nonce);
        String params = "(\"%s\");created=%d;nonce=\"%s\";keyid=\"%s\";tag=\"hufu-request\"".formatted(
                String.join("\" \"", lines.keySet()), System.currentTimeMillis() / 1000, HexFormat.of().formatHex(nonce), keyid);
        var base = new StringBuilder();
        lines.forEach((name, value) -> base.append("\"%s\": %s\n".formatted(name, value)));
        // P-256: r and s side by side, which Java calls P1363, not DER.
        Signature signer = Signature.getInstance(isRsa ? "SHA256withRSA" : "SHA256withECDSAinP1363Format");
        signer.initSign(key);
        signer.update((base + "\"@signature-params\": " + params).getBytes(StandardCharsets.US_ASCII));
        headers.put("signature-input", "hufu=" + params);
        headers.put("signature", "hufu=:" + base64(signer.sign()) + ":");
        return headers;
    }

    static void demand(boolean fits, String why) throws Unknown {
        if (!fits) throw new Unknown("NOT verified: " + why);
    }

    Answer verify(String method, String path, Map<String, String> sent, HttpResponse<byte[]> answer) throws Exception {
        var received = new HashMap<String, String>();
        answer.headers().map().forEach((name, values) -> received.put(name.toLowerCase(Locale.ROOT), String.join(", ", values)));
        Matcher input = INPUT.matcher(received.getOrDefault("signature-input", ""));
        Matcher signature = SIGNATURE.matcher(received.getOrDefault("signature", ""));
        demand(input.matches() && signature.matches(), "the answer carries no signature that is bound to our request");
        var bound = new HashMap<>(Map.of("\"@status\"", "" + answer.statusCode(), "\"@method\";req", method, "\"@target-uri\";req", URL + path));
        for (String name : List.of("signature", "signature-input"))
            bound.put("\"" + name + "\";req;key=\"hufu\"", sent.get(name).substring("hufu=".length()));
        if (sent.containsKey("content-digest")) bound.put("\"content-digest\";req", sent.get("content-digest"));
        List<String> covered = List.of(input.group(2).split(" "));
        var required = new ArrayList<>(List.of("\"content-digest\"", "\"hufu-request-id\"", "\"hufu-certificate\"", "\"hufu-verified\""));
        required.addAll(bound.keySet());
        for (String identifier : required) demand(covered.contains(identifier), "the signature does not cover " + identifier);
        var signed = new HashMap<String, String>();
        var base = new StringBuilder();
        for (String identifier : covered) {
            String name = identifier.replace("\"", "");
            String value = bound.getOrDefault(identifier, received.get(name));
            demand(value != null, "the signature covers " + identifier + ", which is not there");
            if (!bound.containsKey(identifier)) signed.put(name, value);
            base.append(identifier + ": " + value + "\n");
        }
        base.append("\"@signature-params\": " + input.group(1));
        long ageSeconds = System.currentTimeMillis() / 1000 - Long.parseLong(input.group(3));
        demand(Math.abs(ageSeconds) <= 300, "the answer is too old");
        PublicKey platformKey = platformKeys.get(input.group(4));
        demand(platformKey != null, "its key is not pinned: " + input.group(4));
        demand(signed.get("content-digest").equals(digestOf(answer.body())), "the body is not the one that was signed");
        Signature verifier = Signature.getInstance("SHA256withECDSAinP1363Format");
        verifier.initVerify(platformKey);
        verifier.update(base.toString().getBytes(StandardCharsets.ISO_8859_1));
        demand(verifier.verify(Base64.getDecoder().decode(signature.group(1))), "the signature does not fit this answer and our request");
        demand(signed.get("hufu-certificate").equals(thumbprint), "the answer was given to another certificate");
        String body = new String(answer.body(), StandardCharsets.UTF_8);
        demand(signed.get("hufu-verified").equals("?1"), "genuine, but our request was not accepted: " + body);
        return new Answer(answer.statusCode(), signed, body);
    }

    /** Signs, sends once and verifies. A timeout or a cut connection is Unknown too, never a failure. */
    Answer deliver(String method, String path, byte[] body, String idempotencyKey) throws Exception {
        var sent = sign(method, path, body, idempotencyKey);
        var request = HttpRequest.newBuilder(URI.create(URL + path));
        request.method(method, body.length == 0 ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body));
        sent.forEach(request::header);
        var answer = client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        try {
            return verify(method, path, sent, answer.get((long) (TIMEOUT_SECONDS * 1000), TimeUnit.MILLISECONDS));
        } catch (TimeoutException | ExecutionException error) {
            answer.cancel(true);
            throw new Unknown("no answer: " + error);
        }
    }

    /** Delivers the same bytes under the same key until the outcome is known. Never takes a new key. */
    boolean untilFinal(String what, String method, String path, String text, String orderNo) throws Exception {
        boolean hadSilence = false;
        String why = "";
        for (int delivery = 0; delivery < DELIVERIES; delivery += 1) {
            double waitSeconds = FIRST_WAIT_SECONDS * (1 << delivery);
            try {
                Answer answer = deliver(method, path, text.getBytes(StandardCharsets.UTF_8), what + "-" + orderNo);
                boolean isRefusal = "application/problem+json".equals(answer.signed.get("content-type"));
                String ofStatus = isRefusal ? answer.told("outcome") : answer.status < 300 ? "succeeded" : "failed";
                String outcome = answer.signed.getOrDefault("hufu-outcome", ofStatus);
                why = "HTTP %d %s%s %s".formatted(answer.status, answer.told("code"), answer.told("status"), answer.told("detail")).strip();
                // "Not executed" speaks of this delivery; an earlier one without an answer may still be on its way.
                if (Set.of("succeeded", "failed").contains(outcome) || outcome.equals("not_executed") && !hadSilence) {
                    System.out.printf("%s %s: %s, verified%n", what, orderNo, why);
                    return outcome.equals("succeeded");
                }
                if (isRefusal && !Set.of("same_key_later", "query_first").contains(answer.told("retry"))) break;
                waitSeconds = Double.parseDouble(answer.signed.getOrDefault("retry-after", "" + waitSeconds));
            } catch (Unknown error) {
                hadSilence = true;
                why = error.getMessage();
            }
            System.err.printf("%s %s: outcome unknown, %s%n", method, path, why);
            if (delivery + 1 < DELIVERIES) Thread.sleep((long) (waitSeconds * 1000));
        }
        System.err.printf("%s %s: still unknown, %s. Keep the key %s-%s, take no new one%n", method, path, why, what, orderNo);
        System.exit(2);
        return false;
    }

    public static void main(String[] arguments) throws Exception {
        Pay merchant = new Pay();
        // Store the order number, and the keys made of it, before the first call.
        String orderNo = "JAVA-%d-%08x".formatted(System.currentTimeMillis() / 1000, new SecureRandom().nextInt());
        String order = "{\"orderNo\":\"" + orderNo + "\",\"amountFen\":1999,\"currency\":\"CNY\",\"subject\":\"Tea, 250 g (茶叶)\"}";
        String payment = "{\"amountFen\":1999,\"currency\":\"CNY\",\"method\":\"OWN_BANK\",\"payer\":{\"accountNo\":\"6200000000000001\"}}";
        boolean paid = merchant.untilFinal("order", "POST", "/v1/orders", order, orderNo)
                && merchant.untilFinal("payment", "POST", "/v1/orders/" + orderNo + "/payments", payment, orderNo)
                && merchant.untilFinal("query", "GET", "/v1/orders/" + orderNo, "", orderNo);
        System.exit(paid ? 0 : 3);
    }
}
