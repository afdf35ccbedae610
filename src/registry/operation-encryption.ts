import type { HufuExtension } from '../config/operation-schema.ts';
import type { Report } from '../config/problems.ts';
import type { Operation } from '../protocol/operation.ts';
import type { Answers } from './operation-answers.ts';
import { child, type Place, tellAt } from './place.ts';
import { dataClassesOf, schemasAt } from './schema-walk.ts';

type Described = { readonly body: Place | undefined; readonly answers: Answers };

/** Whether what `x-hufu` says about encryption fits the operation: places that exist, and nothing that could bring a secret into the open. */
export function checkEncryption(
  hufu: Place,
  method: Operation['method'],
  extension: HufuExtension,
  { body, answers }: Described,
  report: Report,
): void {
  const place = child(hufu, 'encryption');
  const { fields, answer } = extension.encryption;
  for (const [index, { pointer }] of fields.entries())
    if (!body || schemasAt(body, pointer).length === 0)
      tellAt(child(child(child(place, 'fields'), index), 'pointer'), `the body's schema has no ${pointer}`, report);
  for (const [index, { pointer }] of answer.entries())
    if (![...answers.values()].some((schema) => schema && schemasAt(schema, pointer).length > 0))
      tellAt(child(child(child(place, 'answer'), index), 'pointer'), `no answer has ${pointer}`, report);
  if (body) checkSecretFields(hufu, extension, body, report);
  checkStaysSealed(hufu, extension, report);
  checkForward(hufu, extension, report);
  if (extension.mac === 'allowed' && method !== 'GET')
    tellAt(
      child(hufu, 'mac'),
      'a MAC alone is for reads: for what moves funds or changes anything a merchant must not be able to deny it',
      report,
    );
}

/** C3 (passwords, CVN, one-time codes) never comes in clear text. */
function checkSecretFields(hufu: Place, { encryption }: HufuExtension, body: Place, report: Report): void {
  if (encryption.body === 'required') return;
  const demanded = encryption.fields.filter(({ required }) => required).map(({ pointer }) => pointer);
  for (const { pointer, dataClass } of dataClassesOf(body)) {
    const isSealed = demanded.some((place) => pointer === place || pointer.startsWith(`${place}/`));
    if (dataClass === 'C3' && !isSealed)
      tellAt(
        hufu,
        `${pointer} is of class C3 and could come in clear text: list it in encryption.fields with required: true`,
        report,
        'key',
      );
  }
}

/** What an outcome rule or a question repeats is kept in store and journal, where no sealed value may be. */
function checkStaysSealed(hufu: Place, { encryption, outcome, resolve }: HufuExtension, report: Report): void {
  const isSealed = (source: string): boolean =>
    encryption.fields.some(({ pointer }) => {
      const pattern = pointer.split('/').map((step) => (step === '*' ? '\\d+' : RegExp.escape(step)));
      return new RegExp(`^${pattern.join('/')}(/|$)`).test(source) || pointer.startsWith(`${source}/`);
    });
  for (const [index, { request }] of outcome.repeat.entries())
    if (isSealed(request))
      tellAt(child(child(child(hufu, 'outcome'), 'repeat'), index), `${request} may be encrypted, and would be kept in clear text`, report);
  for (const [name, source] of Object.entries(resolve?.parameters ?? {}))
    if (isSealed(source))
      tellAt(
        child(child(child(hufu, 'resolve'), 'parameters'), name),
        `${source} may be encrypted, and would be kept in clear text`,
        report,
      );
}

/** A retry may be encrypted anew: the core would see other bytes under the same key. */
function checkForward(hufu: Place, { forward, repeatable, answeredBy }: HufuExtension, report: Report): void {
  if (forward !== 'sealed') return;
  if (repeatable)
    tellAt(child(hufu, 'repeatable'), 'sealed bytes differ with each delivery, so the core cannot be asked to repeat them', report);
  if (answeredBy === 'gateway') tellAt(child(hufu, 'forward'), 'there is no core to send sealed bytes to', report);
}
