import type { Fields } from './form.ts';

/** A number in its one spelling; a larger one than JavaScript holds exactly stays text, which the schema refuses. */
const INTEGER = /^(0|[1-9][0-9]{0,15})$/;
const isExact = (value: string): boolean => INTEGER.test(value) && Number.isSafeInteger(Number(value));
/** Names that objects of JavaScript have of themselves. */
const RESERVED: readonly string[] = ['__proto__', 'constructor', 'prototype'];

type Tree = { [name: string]: Tree | string | number };

/**
 * The JSON of a signed form: the field `biz_content` as it is, or an object made of the fields that are neither the protocol's nor path
 * parameters; a dot in a name goes one level down (`payer.accountNo`). Every value is text but that of the amount, a number when it
 * is spelled as one. Undefined when two names contradict each other (`payer` and `payer.accountNo`).
 * @param amount pointer of the operation's amount
 */
export function contentOf(fields: Fields, isOwn: (name: string) => boolean, amount: string | undefined): Buffer | undefined {
  const json = fields.get('biz_content');
  if (json !== undefined) return Buffer.from(json, 'utf8');
  const root: Tree = Object.create(null) as Tree;
  for (const [name, value] of fields) {
    if (isOwn(name)) continue;
    const steps = name.split('.');
    const isNumber = `/${steps.join('/')}` === amount && isExact(value);
    if (!place(root, steps, isNumber ? Number(value) : value)) return undefined;
  }
  return Buffer.from(JSON.stringify(root), 'utf8');
}

function place(root: Tree, steps: readonly string[], value: string | number): boolean {
  let at = root;
  for (const [index, step] of steps.entries()) {
    if (step === '' || RESERVED.includes(step)) return false;
    const isLast = index === steps.length - 1;
    if (isLast && step in at) return false;
    at[step] ??= isLast ? value : (Object.create(null) as Tree);
    const next = at[step];
    if (isLast) return true;
    if (typeof next !== 'object') return false;
    at = next;
  }
  return false;
}
