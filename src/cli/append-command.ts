import { text } from 'node:stream/consumers';
import type { AppendCondition, JsonObject, JsonValue, NewEvent } from '../index.js';
import { usageError } from './exit-codes.js';
import { collect, withJson, withStore, withWriting as withWritingOptions, wholeNumber, type Command } from './program.js';
import { parseJson, parseQuery } from './queries.js';
import { withWriting, type WritingOptions } from './stores.js';
import type { Terminal } from './terminal.js';
import { count } from './text.js';

type Options = WritingOptions & {
  type?: string;
  tag?: readonly string[];
  data?: string;
  id?: string;
  metadata?: string;
  timestamp?: string;
  failIfMatch?: string;
  after?: number;
  json?: boolean;
};

const help = `
The events of one call are one batch: all of them are stored, or none. Makes the store when there is none.

  opossum append --type CourseDefined --tag course:c1 --data '{"seats":10}'
  opossum append '{"type":"CourseDefined","tags":["course:c1"],"data":{"seats":10}}'
  opossum append < events.ndjson
  opossum append --type Enrolled --tag course:c1 --fail-if-match '{"items":[{"tags":["course:c1"]}]}' --after 17`;

export function addAppendCommand(program: Command, terminal: Terminal): void {
  withJson(withWritingOptions(withStore(program.command('append').description('Append events: from arguments, options, or NDJSON on standard input.'))), 'the positions as JSON')
    .argument('[events...]', 'events as JSON: objects, or arrays of them')
    .option('--type <type>', 'type of the one event that options describe')
    .option('--tag <tag>', 'a tag of it; repeat for more', collect)
    .option('--data <json>', 'its data; null when absent')
    .option('--id <id>', 'its id: appending it again changes nothing')
    .option('--metadata <json>', 'its metadata, an object')
    .option('--timestamp <time>', 'its time, RFC 3339 in UTC')
    .option('--fail-if-match <json>', 'fail when an event matches this query')
    .option('--after <position>', '... at a position after this one', wholeNumber(0))
    .addHelpText('after', help)
    .action((events: string[], options: Options) => append(events, options, terminal));
}

async function append(args: readonly string[], options: Options, terminal: Terminal): Promise<void> {
  const condition = toCondition(options);
  const events = await collectEvents(args, options);
  await withWriting(options, terminal, async (store) => {
    const result = await store.append(events, condition);
    const { first, last, duplicate } = result;
    const where = first === last ? `at position ${first}` : `at positions ${first} to ${last}`;
    const done = duplicate ? 'there already' : 'appended';
    await terminal.out.result(options.json ? JSON.stringify(result) : `${count(last - first + 1, 'event')} ${done}, ${where}`, `The events are stored, ${where}.`);
  });
}

function toCondition({ failIfMatch, after }: Options): AppendCondition | undefined {
  if (failIfMatch === undefined) {
    if (after !== undefined) throw usageError('--after is part of a condition: give --fail-if-match as well.');
    return undefined;
  }
  const failIfEventsMatch = parseQuery(failIfMatch, '--fail-if-match');
  return after === undefined ? { failIfEventsMatch } : { failIfEventsMatch, after };
}

async function collectEvents(args: readonly string[], options: Options): Promise<NewEvent[]> {
  const fromOptions = toEvent(options);
  if (args.length > 0) {
    if (fromOptions) throw usageError('Give events either as arguments or by --type and its companions, not both.');
    return args.flatMap((argument, i) => parseJson(argument, args.length === 1 ? 'The event' : `Event ${i + 1}`) as NewEvent | NewEvent[]);
  }
  if (fromOptions) return [fromOptions];
  if (process.stdin.isTTY) throw usageError('No event given: as an argument, by --type, or as NDJSON on standard input.');
  const lines = (await text(process.stdin)).split('\n');
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : (parseJson(line, `Line ${i + 1} of standard input`) as NewEvent | NewEvent[])));
}

function toEvent({ type, tag, data, id, metadata, timestamp }: Options): NewEvent | undefined {
  if (type === undefined) {
    if (tag ?? data ?? id ?? metadata ?? timestamp) throw usageError('--tag, --data, --id, --metadata and --timestamp describe an event: give its --type as well.');
    return undefined;
  }
  return {
    type,
    data: data === undefined ? null : (parseJson(data, '--data') as JsonValue),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(id === undefined ? {} : { id }),
    ...(metadata === undefined ? {} : { metadata: parseJson(metadata, '--metadata') as JsonObject }),
    ...(timestamp === undefined ? {} : { timestamp }),
  };
}
