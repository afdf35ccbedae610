import { type LoadOptions, loadConfig, readConfig } from '../config/load.ts';
import { type ConfigurationProblem, ConfigurationProblems } from '../config/problems.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { readRegistry } from '../registry/load.ts';

/** As loadConfig; when something is wrong, what is wrong with merchants, plans and operations is told in the same go. */
export function loadConfigOrTellAll(options: LoadOptions): GatewayConfig {
  try {
    return loadConfig(options);
  } catch (error) {
    if (!(error instanceof ConfigurationProblems)) throw error;
    const told = new Set(error.problems.map((problem) => JSON.stringify(problem)));
    const further = findRegistryProblems(options).filter((problem) => !told.has(JSON.stringify(problem)));
    throw new ConfigurationProblems([...error.problems, ...further]);
  }
}

/** None when gateway.yaml is not even in form: then it is not known where the other files are. */
function findRegistryProblems(options: LoadOptions): readonly ConfigurationProblem[] {
  try {
    readRegistry(readConfig(options));
    return [];
  } catch (error) {
    if (error instanceof ConfigurationProblems) return error.problems;
    throw error;
  }
}
