import { withJson, withStore, type Command, type StoreLocation } from './program.js';
import type { Terminal } from './terminal.js';

type Options = StoreLocation & { json?: boolean };

export function addContextsCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('contexts').description('List the contexts in a folder.'))).action((options: Options) => contexts(options, terminal));
}

async function contexts({ dir, json }: Options, { out, err }: Terminal): Promise<void> {
  const { listContexts } = await import('../index.js');
  const names = await listContexts(dir);
  if (names.length === 0) await err.line(`There is no context in ${dir}.`);
  await out.write(names.map((context) => `${json ? JSON.stringify({ context }) : context}\n`).join(''));
}
