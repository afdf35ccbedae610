import type { Command } from 'commander';

/** The options of every command that only looks at a configuration. */
export const reading = (command: Command): Command =>
  command
    .option('--profile <name>', 'development or production', 'development')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--data <directory>', 'the data directory (default HUFU_DATA)')
    .option('--json', 'print JSON');
