import { type End, WARN_MS_MAX } from '../certificates/expiry.ts';
import { createRecent } from '../identity/recent.ts';
import type { Peer } from '../protocol/messages.ts';

/** Certificates of merchants that came by and end soon: who is bound by name alone has none in any file. */
export type Presented = {
  /** Notes a certificate that was shown. Cheap: called for each connection. */
  readonly see: (peer: Peer) => void;
  readonly ends: () => readonly End[];
};

/** How many are kept; the one not seen for longest goes first. */
export const PRESENTED_MAX = 2_048;
/** A certificate nobody has shown for so long was renewed, or its merchant is gone. */
const FORGOTTEN_AFTER_MS = 86_400_000;

/** @param isServed whether a merchant is served on it as things stand: nobody has to renew the others */
export function createPresented(isServed: (peer: Peer) => boolean, nowMs: () => number): Presented {
  const seen = createRecent<{ readonly end: End; readonly atMs: number }>(PRESENTED_MAX);
  return {
    see: (peer) => {
      const atMs = nowMs();
      const { subject, serialNumber, authority, notBeforeMs, notAfterMs } = peer;
      if (notAfterMs - atMs > WARN_MS_MAX || !isServed(peer)) return;
      const name = `${subject}, serial ${serialNumber}, of ${authority}`;
      seen.keep(peer.thumbprint, { end: { kind: 'merchant_certificate', name, notAfterMs, madeAtMs: notBeforeMs }, atMs });
    },
    ends: () =>
      seen
        .all()
        .filter(({ atMs }) => atMs > nowMs() - FORGOTTEN_AFTER_MS)
        .map(({ end }) => end),
  };
}
