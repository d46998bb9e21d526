// podwire schema: the JSON Schema of scenario files, for editors.

import type { Command } from 'commander';

const HELP = `
An editor with a YAML language server checks and completes a scenario whose first line is
  # yaml-language-server: $schema=scenario.schema.json
after \`podwire schema > scenario.schema.json\`.`;

export function registerSchema(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of scenario files')
    .addHelpText('after', HELP)
    .action(async () => {
      const { scenarioJsonSchema } = await import('../scenario/schema.ts');
      process.stdout.write(`${JSON.stringify(scenarioJsonSchema(), null, 2)}\n`);
    });
}
