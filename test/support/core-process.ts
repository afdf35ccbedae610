// A core as a process of its own, for tests that kill it. Forked by support/core.ts; ends with its parent.
import { startCore } from '../../src/reference-core/core.ts';

const core = await startCore(JSON.parse(process.argv[2] as string));
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => core.close().then(() => process.exit(0)));
process.send?.({ url: core.url, port: core.port });
