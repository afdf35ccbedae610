// A risk service (风控) to begin with: node examples/risk/risk-service.mjs [PORT] [RULES.json]
// The gateway posts a question for each request before it forwards it; the answer is one of
//   {"verdict":"pass"}   {"verdict":"pass","confirmed":true}   {"verdict":"reject","reference":"R-1"}   {"verdict":"step-up","reference":"C-1"}
// Anything else, and anything later than risk.timeoutMs, is no verdict: level A2 is refused then, level A1 is let through.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const QUESTION_BYTES_MAX = 16_384;

/** Decides about one question. `seen` counts payments of each payer, `confirmed` holds references that somebody confirmed. */
export function decide(question, { seen, confirmed, stepUpAboveFen = 1_000_000, paymentsMax = 100 }) {
  const { merchantNumber, operation, amountFen = 0, payer = '', confirmation } = question;
  const reference = createHash('sha256').update(`${merchantNumber} ${operation} ${payer} ${amountFen}`).digest('base64url').slice(0, 16);
  const isConfirmed = confirmed.has(reference);
  const count = (seen.get(payer) ?? 0) + 1;
  if (payer !== '') seen.set(payer, count);
  if (payer !== '' && count > paymentsMax) return { verdict: 'reject', reference };
  if ((confirmation || amountFen > stepUpAboveFen) && !isConfirmed) return { verdict: 'step-up', reference };
  return isConfirmed ? { verdict: 'pass', confirmed: true } : { verdict: 'pass' };
}

async function readAll(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > QUESTION_BYTES_MAX) throw new Error('the question is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** POST / asks; PUT /confirmed/REFERENCE says that somebody confirmed. `decideBy` stands for the rules. */
export function createRiskService(options = {}, decideBy = decide) {
  const state = { seen: new Map(), confirmed: new Set(), ...options };
  return createServer(async (request, response) => {
    const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    try {
      const confirming = /^\/confirmed\/([A-Za-z0-9._:-]{1,64})$/.exec(request.url ?? '');
      if (request.method === 'PUT' && confirming) {
        state.confirmed.add(confirming[1]);
        return answer(200, { confirmed: confirming[1] });
      }
      if (request.method !== 'POST') return answer(405, { error: 'POST a question' });
      return answer(200, decideBy(JSON.parse(await readAll(request)), state));
    } catch {
      return answer(400, { error: 'this is no question' });
    }
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.argv[2] ?? 7010);
  const server = createRiskService();
  server.listen(port, '127.0.0.1', () => console.log(`risk service on http://127.0.0.1:${server.address().port}`));
}
