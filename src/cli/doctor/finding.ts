/** One thing that was looked at. `bad` explains a failure, `note` may explain one. */
export type Finding = { readonly check: string; readonly state: 'ok' | 'note' | 'bad'; readonly text: string };

export const ok = (check: string, text: string): Finding => ({ check, state: 'ok', text });
export const note = (check: string, text: string): Finding => ({ check, state: 'note', text });
export const bad = (check: string, text: string): Finding => ({ check, state: 'bad', text });

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
