import { LedgerCorruptError } from '../core/errors.js';
import type { DiskFile } from '../disk/disk.js';
import type { ChainPoint, IndexedEvent, UnreadFrame } from '../core/stored.js';
import { Chain } from './chain.js';
import { headLength } from './format.js';
import { FrameScan, type FoundFrame } from './frame-scan.js';
import type { LedgerHeader } from './header.js';
import { decodeKeys, isInKeys, keySpelling, otherSpellings, recordEnd } from './record.js';

/**
 * Yields the frames that count, from the one at `start` (inclusive; the header itself is not yielded) up to
 * `limit`, an offset at which or before which everything is written.
 * @throws LedgerCorruptError when `start` is not there, or a frame shows that committed data before it is missing.
 */
export async function* scanChain(
  file: DiskFile,
  header: LedgerHeader,
  start: ChainPoint,
  limit: number,
): AsyncGenerator<FoundFrame, void, undefined> {
  const chain = new Chain(header.ledgerId, start);
  const scan = new FrameScan(file, start.position === 0 ? header.end : start.offset, limit);
  if (start.position > 0) {
    const frame = await scan.next();
    if (frame?.offset !== start.offset || frame.head.checksum !== start.checksum) {
      throw new LedgerCorruptError(
        `The ledger lacks the frame at byte ${start.offset} that ends with position ${start.position}, which was durable. Run "opossum verify".`,
        { offset: start.offset, position: start.position },
      );
    }
    yield frame;
  }
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    const verdict = chain.judge(frame.head, frame.offset);
    if (verdict === 'orphan') throw orphanError(frame, chain.last.position);
    if (verdict === 'counts') {
      chain.add(chainPoint(frame));
      yield frame;
    }
  }
}

export function orphanError({ head, offset }: FoundFrame, last: number): LedgerCorruptError {
  return new LedgerCorruptError(
    `The ledger is damaged: the frame at byte ${offset} (positions ${head.first} to ${head.first + head.count - 1}) was written after ` +
      `position ${head.base.position} was durable, but events from position ${last + 1} on are missing or damaged. ` +
      'Run "opossum verify", then "opossum repair", or restore it from a backup.',
    { offset, position: last + 1, base: head.base.position },
  );
}

export function chainPoint({ head, offset }: FoundFrame): ChainPoint {
  return { position: head.first + head.count - 1, offset, checksum: head.checksum };
}

/** The events of a frame, to be read later. */
export function unreadFrame({ head, offset, bytes, start }: FoundFrame): UnreadFrame {
  const records = new Float64Array(head.count + 1);
  let at = start + headLength + head.conditionLength;
  for (let i = 0; i < head.count; i++) {
    records[i] = at;
    at = recordEnd(bytes, at);
  }
  records[head.count] = at;
  return {
    first: head.first,
    records,
    bytes,
    bytesAt: offset - start,
    keys: (record) => decodeKeys(bytes, record),
    spelling: keySpelling,
    otherSpellings,
    isInKeys: (record, offset) => isInKeys(bytes, record, offset),
  };
}

/** What the index needs of the events in a frame; their content is not decoded. */
export function indexedEvents({ head, offset, bytes, start }: FoundFrame): IndexedEvent[] {
  const events: IndexedEvent[] = new Array<IndexedEvent>(head.count);
  let at = start + headLength + head.conditionLength;
  for (let i = 0; i < head.count; i++) {
    const end = recordEnd(bytes, at);
    const { type, tags, id } = decodeKeys(bytes, at);
    events[i] = { position: head.first + i, type, tags, id, offset: offset + at - start, length: end - at };
    at = end;
  }
  return events;
}
