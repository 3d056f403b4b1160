import { withDirectory, withJson, type Command } from './program.js';
import { contextsIn } from './stores.js';
import type { Terminal } from './terminal.js';

type Options = { dir: string; json?: boolean };

export function addContextsCommand(program: Command, terminal: Terminal): void {
  withJson(withDirectory(program.command('contexts').description('List the contexts in a folder.'))).action((options: Options) => contexts(options, terminal));
}

async function contexts({ dir, json }: Options, { out, err }: Terminal): Promise<void> {
  const names = await contextsIn(dir);
  if (names.length === 0) await err.line(`There is no context in ${dir}.`);
  await out.write(names.map((context) => `${json ? JSON.stringify({ context }) : context}\n`).join(''));
}
