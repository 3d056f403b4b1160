import path from 'node:path';
import type { StoreStats } from '../index.js';
import { wholeNumber, withJson, withStore, type Command, type StoreLocation } from './program.js';
import { checkExists } from './stores.js';
import type { Output, Terminal } from './terminal.js';
import { bytes, number, table, visible } from './text.js';

type Options = StoreLocation & { topTags: number; json?: boolean };

export function addStatsCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('stats').description('Count events by type and tag, sizes on disk, and tell who holds the lock.')))
    .option('--top-tags <count>', 'how many of the most frequent tags to list', wholeNumber(0), 20)
    .action((options: Options) => stats(options, terminal));
}

async function stats({ dir, context, topTags, json }: Options, { out }: Terminal): Promise<void> {
  await checkExists({ dir, context });
  const { storeStats } = await import('../index.js');
  const found = await storeStats({ directory: dir, context, topTags });
  await out.write(json ? `${JSON.stringify(found)}\n` : `${toLines(found, path.join(dir, context), out).join('\n')}\n`);
}

function toLines(stats: StoreStats, folder: string, out: Output): string[] {
  const heading = (text: string): string => `\n${out.style('bold', text)}`;
  const sizes = [
    ['ledger', stats.bytes.ledger],
    ['event files', stats.bytes.eventFiles],
    ['index', stats.bytes.index],
    ['total', stats.bytes.total],
  ] as const;
  return [
    ...table([
      ['folder', folder],
      ['context', stats.context],
      ['events', `${number(stats.events)} (head ${stats.head})`],
      ['created', stats.createdAt],
      ['ledger id', stats.ledgerId],
      ['event files', stats.eventFiles],
      ['lock', describeLock(stats)],
    ]),
    heading('On disk'),
    ...table([['', 'content', 'set aside'], ...sizes.map(([name, size]) => [name, bytes(size.apparent), bytes(size.allocated)])], [1, 2]),
    heading(`Types (${number(stats.types.length)})`),
    ...table(stats.types.map(({ type, count }) => [number(count), visible(type)]), [0]),
    heading(`Most frequent tags (${number(stats.tags.length)} of ${number(stats.distinctTags)})`),
    ...table(stats.tags.map(({ tag, count }) => [number(count), visible(tag)]), [0]),
  ];
}

function describeLock({ lockOwner: owner, lockOwnerState: state }: StoreStats): string {
  if (!owner) return 'free';
  if (state === 'dead') return `left by process ${owner.pid}, which is gone; the next writer takes it over`;
  return `held by process ${owner.pid} on ${visible(owner.host)}`;
}
