import { loadConfig } from '../config/load.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { UserError } from '../lib/user-error.ts';
import { environmentOf, type Places } from './locate.ts';

/**
 * The configuration for commands that only look: what one of the two profiles could start with. Whether the files it names are
 * there is for the caller to find out. Throws a UserError with everything that is wrong for production when neither could.
 */
export function readConfig(places: Places): GatewayConfig {
  if (places.config === undefined)
    throw new UserError('no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy');
  const common = { file: places.config, environment: environmentOf(places, process.env), checksFiles: false };
  try {
    return loadConfig({ ...common, profile: 'production' });
  } catch (error) {
    try {
      return loadConfig({ ...common, profile: 'development' });
    } catch {
      throw error;
    }
  }
}
