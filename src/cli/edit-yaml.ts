import { isMap, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { UserError } from '../lib/user-error.ts';

/** A YAML file that is changed in place: comments, order and quotes of everything else stay. */
export type YamlEdit = {
  /** Sets a key at the top; undefined removes it. */
  readonly set: (key: string, value: unknown) => void;
  /** Appends to a list at the top, making it when there is none. */
  readonly append: (key: string, value: unknown) => void;
  /** Removes an entry of a list at the top; the list stays, also when it is empty. */
  readonly removeAt: (key: string, index: number) => void;
  /** Whether there is anything at a path. */
  readonly has: (path: readonly string[]) => boolean;
  /** Sets a key at any depth; undefined removes it. A number is a place in a list. */
  readonly setIn: (path: readonly (string | number)[], value: unknown) => void;
  /** Appends to a list at any depth. */
  readonly appendIn: (path: readonly string[], value: unknown) => void;
  readonly text: () => string;
};

/** Throws a UserError for a file that is no YAML map: such a file is not loaded either. */
export function editYaml(file: string, content: string): YamlEdit {
  const document = parseDocument(content);
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new UserError(`${file} cannot be changed: it is no YAML map; run \`hufu check\``);
  const top = document.contents as YAMLMap;
  const listOf = (key: string): YAMLSeq => {
    const found = top.get(key, true);
    if (isSeq(found)) return found as YAMLSeq;
    document.set(key, document.createNode([]));
    return top.get(key, true) as unknown as YAMLSeq;
  };
  return {
    set: (key, value) => (value === undefined ? void document.delete(key) : document.set(key, value)),
    has: (path) => document.hasIn(path),
    append: (key, value) => {
      const list = listOf(key);
      list.flow = false;
      list.add(document.createNode(value));
    },
    removeAt: (key, index) => {
      const list = listOf(key);
      list.items.splice(index, 1);
      if (list.items.length === 0) list.flow = true;
    },
    setIn: (path, value) => (value === undefined ? void document.deleteIn(path) : document.setIn(path, document.createNode(value))),
    appendIn: (path, value) => document.addIn(path, document.createNode(value)),
    text: () => document.toString({ lineWidth: 0 }),
  };
}
