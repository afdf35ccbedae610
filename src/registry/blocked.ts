import { tell } from '../config/check-files.ts';
import { fileProblem, type Report } from '../config/problems.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { readYamlFile, type YamlFile, type YamlPath } from '../config/yaml-file.ts';
import { bindingKeyOf, parseName } from '../protocol/distinguished-name.ts';
import { nameMark, serialMark, thumbprintMark } from '../protocol/marks.ts';
import { readAuthority } from './merchant-names.ts';

type Entry = GatewayConfig['blocked'][number];

/** The marks of `blocked` in gateway.yaml. Everything wrong is reported. */
export function loadBlocked(config: GatewayConfig, report: Report): ReadonlySet<string> {
  const marks = new Set<string>();
  if (config.blocked.length === 0) return marks;
  const source = readYamlFile(config.file, report);
  if (!source) return marks;
  const authorities = config.authorities.map(({ name }) => name);
  for (const [index, entry] of config.blocked.entries()) {
    const mark = readMark(entry, authorities, source, ['blocked', index], report);
    if (mark !== undefined) marks.add(mark);
  }
  return marks;
}

/** The mark of one entry; undefined after its problem was reported. */
function readMark(entry: Entry, authorities: readonly string[], source: YamlFile, path: YamlPath, report: Report): string | undefined {
  const { serial, thumbprint, subject } = entry;
  if ([serial, thumbprint, subject].filter((value) => value !== undefined).length !== 1) {
    report(source.problem(path, 'expected either serial, thumbprint or subject'));
    return undefined;
  }
  if (thumbprint !== undefined) return thumbprintMark(thumbprint);
  const authority = readAuthority(entry.authority, source, path, authorities, report);
  if (authority === undefined) return undefined;
  if (serial !== undefined) return serialMark(authority, serial.toUpperCase());
  const name = tell(() => parseName(subject as string), source, [...path, 'subject'], report);
  return name && nameMark(bindingKeyOf(authority, name));
}

/** The mark of an entry that is in no file yet; throws ConfigurationProblems' text by way of `fail`. */
export function markOf(entry: Entry, config: GatewayConfig, fail: (message: string) => never): string {
  const source: YamlFile = {
    file: config.file,
    content: '',
    value: undefined,
    problem: (_path, message) => fileProblem(config.file, message),
  };
  const names = config.authorities.map(({ name }) => name);
  const mark = readMark(entry, names, source, [], ({ message }) => fail(message));
  return mark ?? fail('expected either serial, thumbprint or subject');
}
