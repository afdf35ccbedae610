import { choice, integer, OPTIONAL, optionalSection, path, REQUIRED, section, text } from './rows.ts';

const onFailure = (standard: 'open' | 'closed', level: string) =>
  choice(['open', 'closed'], standard, `${level}: what a request gets when the service gives no verdict; open: forwarded, closed: 503`);

/** The risk service, asked before a request is forwarded. */
export const RISK = optionalSection(
  {
    url: text(
      REQUIRED,
      /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
      'http://HOST:PORT/PATH without query',
      'where questions are posted; redirects are not followed',
    ),
    authority: path(OPTIONAL, 'for https: PEM file of the authority of its certificate; relative to certificatesDirectory'),
    timeoutMs: integer(200, 10, 5_000, 'ms', 'until the verdict has come whole'),
    connections: integer(32, 1, 1_024, '', 'connections to it from one process, kept alive'),
    asks: choice(['all', 'writes'], 'all', 'which requests it is asked about; rules with the control risk or step-up always ask'),
    onFailure: section({ A1: onFailure('open', 'level A1'), A2: onFailure('closed', 'level A2') }, 'By the level of the operation.'),
  },
  'A risk service (风控) that passes, rejects or wants a confirmation (docs/policy.md). Off unless written.',
);
