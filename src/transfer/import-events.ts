import { checkFields } from '../core/check-values.js';
import { InvalidInputError, isOpossumError, type EventIdConflictError, type OpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { describe } from '../core/json.js';
import { limits } from '../core/limits.js';
import type { ImportedEvent } from './imported-event.js';
import { ImportInput, type ImportSource } from './import-source.js';
import { readNdjson } from './ndjson-reader.js';
import { readOcel } from './ocel-reader.js';
import { detectFormat, isDetectable, transferFormats, type TransferFormat } from './transfer-format.js';

export type ImportOptions = {
  /** Told by how the content begins when absent. */
  format?: TransferFormat;
  /**
   * Events per append, 1 to 100,000; 1,000 when absent. Each batch is stored whole or not at all. A store that takes less in one
   * append, as Cosmos DB does (99 events and 1.9 MB), refuses larger batches.
   */
  batchSize?: number;
  /** What messages call the source: its file name. The last part of it also goes into the ids of NDJSON events that have none. */
  name?: string;
  /** Aborting rejects with `signal.reason` after the batch in hand was stored. */
  signal?: AbortSignal;
  /** Called after each batch. */
  onProgress?: (progress: ImportProgress) => void;
};

export type ImportResult = {
  /** Events that this import appended. */
  readonly imported: number;
  /** Events of the source that the store held already. */
  readonly present: number;
  /** Events of the reserved type `ocel:log` that keep types and objects of an OCEL log; not counted above. */
  readonly descriptions: number;
};

export type ImportProgress = ImportResult & {
  /** Bytes read from the source so far; some of them may wait for the next batch. */
  readonly bytes: number;
};

/**
 * Appends the events of a source, in batches and in order; ids, timestamps and metadata are kept.
 *
 * Running the same import again, after an interruption or a mended line, adds what is missing and nothing twice: events are
 * known by their ids. An NDJSON event without id gets one made of the source's name, its line and its ordinal, so it is known again
 * as long as the lines up to it stay as they are and the source keeps its name; of two sources without a name, equal lines in equal
 * places count as one event. `position`, which exports write, is ignored: events get new positions.
 *
 * From OCEL 2.0 JSON, an event's related objects become tags `type:id`, attributes become `data`, its time becomes the
 * timestamp in UTC (without an offset it is taken as UTC). Qualifiers and the time as it was written are kept in
 * `metadata.ocel`; types, objects, their attributes over time and their relationships in leading events of the reserved type
 * `ocel:log`. `exportEvents` puts all of it together again. An OCEL source is read into memory whole.
 *
 * @example await importEvents(store, fs.createReadStream('permits.ndjson'), { name: 'permits.ndjson' })
 * @throws InvalidInputError that names line or path; nothing of that batch is stored, the batches before it are.
 *   EventIdConflictError when an id is stored with other content. What `store.append` throws, and what the source throws.
 */
export async function importEvents(store: EventStore, source: ImportSource, options: ImportOptions = {}): Promise<ImportResult> {
  const { batchSize = 1000, name, signal, onProgress } = checkImportOptions(options);
  const input = new ImportInput(source, signal);
  const tally = { imported: 0, present: 0, descriptions: 0 };
  try {
    const format = options.format ?? detectFormat(await input.peek(isDetectable));
    const events = format === 'ocel' ? readOcel(input, name) : readNdjson(input, name);
    for await (const batch of toBatches(events, batchSize)) {
      signal?.throwIfAborted();
      await appendBatch(store, batch, tally);
      onProgress?.({ ...tally, bytes: input.bytes });
    }
  } catch (error) {
    if (isOpossumError(error)) addHint(error, tally);
    throw error;
  }
  return tally;
}

type Tally = { imported: number; present: number; descriptions: number };

const optionKeys = new Set(['format', 'batchSize', 'name', 'signal', 'onProgress']);

function checkImportOptions(options: ImportOptions): ImportOptions {
  checkFields(options, 'options', optionKeys, 'import options');
  const { format, batchSize } = options;
  if (format !== undefined && !transferFormats.includes(format)) {
    throw new InvalidInputError('options.format', `is ${describe(format)}; it must be 'ndjson' or 'ocel'.`);
  }
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= limits.batchEvents)) {
    throw new InvalidInputError('options.batchSize', `is ${describe(batchSize)}; it must be a whole number from 1 to ${limits.batchEvents}.`);
  }
  return options;
}

/** A batch larger than this would not be written in one piece. */
const batchBytesMax = 8 * 1024 * 1024;

async function* toBatches(events: AsyncIterable<ImportedEvent>, batchSize: number): AsyncGenerator<ImportedEvent[]> {
  let batch: ImportedEvent[] = [];
  let ids = new Set<string | undefined>();
  let bytes = 0;
  for await (const imported of events) {
    // A repeated id is cut off, so that it is judged against what is stored, wherever batches happen to end.
    const full = batch.length === batchSize || bytes + imported.bytes > batchBytesMax || ids.has(imported.event.id);
    if (batch.length > 0 && (full || imported.description || batch.at(-1)?.description)) {
      yield batch;
      batch = [];
      ids = new Set();
      bytes = 0;
    }
    batch.push(imported);
    ids.add(imported.event.id);
    bytes += imported.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** A batch of which another run stored a part is halved until each piece is either known or new. */
async function appendBatch(store: EventStore, batch: readonly ImportedEvent[], tally: Tally): Promise<void> {
  try {
    const { duplicate } = await store.append(batch.map(({ event }) => event));
    if (batch[0]?.description) tally.descriptions++;
    else tally[duplicate ? 'present' : 'imported'] += batch.length;
  } catch (error) {
    if (batch.length === 1 || !isPartlyKnown(error)) throw locate(error, batch);
    const middle = Math.ceil(batch.length / 2);
    await appendBatch(store, batch.slice(0, middle), tally);
    await appendBatch(store, batch.slice(middle), tally);
  }
}

function isPartlyKnown(error: unknown): boolean {
  return isOpossumError(error, 'EVENT_ID_CONFLICT') && error.details['reason'] === 'partial';
}

/** Says where in the source the event stands that the store refused, or that it did not take so many at once. */
function locate(error: unknown, batch: readonly ImportedEvent[]): unknown {
  if (isOpossumError(error, 'EVENT_ID_CONFLICT')) {
    const { id } = (error as EventIdConflictError).details;
    const found = batch.find(({ event }) => event.id === id);
    if (found) error.message = `${found.where}: ${error.message}`;
  }
  if (isOpossumError(error, 'INVALID_INPUT')) {
    if (error.details['path'] === 'events' && batch.length > 1) {
      return new InvalidInputError('options.batchSize', `must be smaller for this store, which takes less in one append than ${batch[0]?.where} to ${batch.at(-1)?.where}: ${error.message}`, error);
    }
    const match = /^events\[(\d+)\]\.?(.*)$/s.exec(String(error.details['path']));
    const found = match ? batch[Number(match[1])] : undefined;
    if (match && found) {
      const path = match[2] ? `${found.where}: ${match[2]}` : found.where;
      return new InvalidInputError(path, error.message.slice(String(error.details['path']).length + 1), error);
    }
  }
  return error;
}

function addHint(error: OpossumError, { imported, present }: Tally): void {
  if (error.code !== 'INVALID_INPUT' && error.code !== 'EVENT_ID_CONFLICT') return;
  error.message +=
    ` ${imported} events before it were imported, ${present} were there already; its batch was not stored.` +
    ' Correct it and run the same import again: what is stored is skipped.';
}
