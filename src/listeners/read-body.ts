import type { IncomingMessage } from 'node:http';
import { tooLarge } from './bounds.ts';

/** The whole body, at most `bodyBytesMax` bytes; a Refusal BODY_TOO_LARGE beyond. Undefined when the sender left before its end: then nobody is there to answer. */
export function readBody(request: IncomingMessage, bodyBytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bodyBytesMax) {
        chunks.push(chunk);
        return;
      }
      request.removeAllListeners('data');
      request.pause();
      reject(tooLarge(bodyBytesMax));
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    request.on('close', () => resolve(undefined));
    request.on('error', () => resolve(undefined));
  });
}
