import { choice, entry, list, OPTIONAL, optionalSection, path, REQUIRED, text } from './rows.ts';

/** The keys of an authority: whose certificates are accepted, and how it says that one no longer is. */
export const AUTHORITY = entry({
  name: text(REQUIRED, /^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of a-z, 0-9 and -', 'what merchant files call this authority'),
  certificates: list(
    path(REQUIRED, 'PEM file, relative to certificatesDirectory'),
    REQUIRED,
    1,
    "the authority's certificates: the one that issues and, while it is replaced, its successor",
    16,
  ),
  crls: list(
    text(REQUIRED, /^http:\/\/[^\s@]{1,2048}$|^(?!\w+:\/\/)[^\0]{1,4096}$/, 'a path or an http:// URL', 'DER or PEM'),
    [],
    0,
    'certificate revocation lists of this authority: files relative to certificatesDirectory, or http:// URLs; once one is named, no certificate of the authority is accepted without it',
    16,
  ),
  ocsp: optionalSection(
    {
      mode: choice(
        ['strict', 'soft', 'off'],
        REQUIRED,
        'without an answer that counts: strict refuses with REVOCATION_UNKNOWN, soft lets pass with an alarm; off asks nobody',
      ),
      url: text(
        OPTIONAL,
        /^http:\/\/[^\s@?#]{1,2048}$/,
        'an http:// URL',
        'the responder; then what certificates name is not looked at. Answers are signed, so that TLS is not needed',
      ),
      hosts: list(
        text(REQUIRED, /^[a-z0-9.-]{1,253}(:\d{1,5})?$/, 'HOST or HOST:PORT in lower case', 'HOST, or HOST:PORT for another port than 80'),
        [],
        0,
        'responders that certificates may name (authorityInfoAccess); others are never asked, since this machine reaches more than its clients do',
        16,
      ),
    },
    'Asking the authority by OCSP (RFC 6960) whether a certificate is revoked, beside its lists; off unless written.',
  ),
});
