import { KEY_STATES } from '../protocol/answer-key.ts';
import { moment } from './plan-schema.ts';
import { choice, OPTIONAL } from './rows.ts';

/** The moments at which a key of the gateway goes on by itself. */
export const KEY_MOMENTS = {
  currentFrom: moment('it becomes current then'),
  retiringFrom: moment('it becomes retiring then'),
  retiredFrom: moment('it becomes retired then'),
};

/** The state of a key of the gateway. @param meaning what the states mean for this kind of key */
export const keyState = (meaning: string) =>
  choice(KEY_STATES, OPTIONAL, `${meaning}; default: announced where currentFrom stands, else current`);
