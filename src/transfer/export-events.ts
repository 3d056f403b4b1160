import { checkQuery, checkReadOptions } from '../core/check-input.js';
import { checkFields } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import type { Query } from '../core/query.js';
import { writeOcel } from './ocel-writer.js';
import { transferFormats, type ExportPart, type TransferFormat } from './transfer-format.js';

export type ExportOptions = {
  /** `'ndjson'` when absent. */
  format?: TransferFormat;
  /** All events when absent. */
  query?: Query;
  /** Exclusive lower bound. */
  after?: number;
  /** Exclusive upper bound; the head at the start of the export when absent. */
  before?: number;
  /** Aborting rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Called now and then with the number of events written. */
  onProgress?: (progress: { readonly events: number }) => void;
};

/**
 * The events as text, in pieces of some 64 kB, in order of position: a snapshot, taken when the first piece is asked for.
 *
 * NDJSON has one event a line with all it has; `importEvents` into another store makes the same events.
 *
 * OCEL 2.0 JSON gives back what was imported from OCEL. Of other events, a tag `type:id` becomes an object with this id (the
 * whole tag where several types share the id), a tag without colon one of type `tag`; properties of `data` become attributes of
 * type string, time, integer, float or boolean, nested values as JSON text, data that is no object as the attribute `value`.
 * OCEL has no place for `null`, other metadata and positions: they are left out. With a `query`, the objects are those of its
 * events and what these relate to. The distinct tags must fit into memory.
 *
 * @example await pipeline(exportEvents(store, { format: 'ocel' }), fs.createWriteStream('log.ocel.json'))
 * @throws InvalidInputError at once; while iterating what `store.read` throws.
 */
export function exportEvents(store: EventStore, options: ExportOptions = {}): AsyncGenerator<string> {
  checkFields(options, 'options', optionKeys, 'export options');
  const { format = 'ndjson', query = 'all', after, before, signal, onProgress } = options;
  if (!transferFormats.includes(format)) throw new InvalidInputError('options.format', `is ${describe(format)}; it must be 'ndjson' or 'ocel'.`);
  const range = checkReadOptions({ ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }), ...(signal ? { signal } : {}) });
  const checked = checkQuery(query);
  return inPieces(format === 'ocel' ? writeOcel(store, checked, range) : writeNdjson(store, checked, range), onProgress);
}

const optionKeys = new Set(['format', 'query', 'after', 'before', 'signal', 'onProgress']);

async function* writeNdjson(store: EventStore, query: Query, range: { after?: number; before?: number; signal?: AbortSignal }): AsyncGenerator<ExportPart> {
  for await (const event of store.read(query, range)) yield { text: `${toLine(event)}\n`, event: true };
}

function toLine({ position, id, type, tags, data, metadata, timestamp }: SequencedEvent): string {
  return JSON.stringify({ position, id, type, tags, data, metadata, timestamp });
}

const pieceLength = 64 * 1024;

async function* inPieces(parts: AsyncIterable<ExportPart>, onProgress: ExportOptions['onProgress']): AsyncGenerator<string> {
  let piece = '';
  let events = 0;
  for await (const { text, event } of parts) {
    piece += text;
    if (event) events++;
    if (piece.length >= pieceLength) {
      yield piece;
      piece = '';
      onProgress?.({ events });
    }
  }
  if (piece !== '') yield piece;
  onProgress?.({ events });
}
