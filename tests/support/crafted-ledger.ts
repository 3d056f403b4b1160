/* Ledgers frame by frame, with what crashes and stale writers leave between the frames that count. */
import { encodeCheckpoint } from '../../src/engine/checkpoint.js';
import type { AppendCondition } from '../../src/core/condition.js';
import type { NewEvent } from '../../src/core/event.js';
import { decodeHead, draftFrame, encodeHeaderFrame, placeFrame } from '../../src/ledger/frame.js';
import { inFolder, type Files } from './damaged-store.js';

export type Part = {
  readonly events: readonly NewEvent[];
  readonly condition?: AppendCondition;
  /** 'late': whole, but not where its writer thought; 'torn': without its last bytes. Neither counts. */
  readonly fate: 'counts' | 'late' | 'torn';
};

export type Crafted = { readonly files: Files; readonly ledger: Buffer; /** Where each part lies. */ readonly places: readonly { offset: number; end: number }[] };

const ledgerId = Buffer.alloc(16, 7);
const time = Date.UTC(2026, 0, 1);

/** A ledger of these parts, and a checkpoint that knows the last frame that counts. */
export function craftLedger(eventFiles: 'json' | 'none', parts: readonly Part[]): Crafted {
  const body = { format: 1, eventFiles, createdAt: new Date(time).toISOString() };
  const pieces = [encodeHeaderFrame(body, { writtenAt: 0, first: 0, time, ledgerId, previous: 0, base: { position: 0, checksum: 0 } })];
  let last = { position: 0, checksum: decodeHead(pieces[0]!, 0)!.checksum, offset: 0 };
  let offset = pieces[0]!.length;
  const places: { offset: number; end: number }[] = [];
  for (const { events, condition, fate } of parts) {
    const full = events.map((event, i) => ({ tags: [], metadata: {}, timestamp: new Date(time).toISOString(), id: `${offset}-${i}`, ...event, ownId: true }));
    const draft = draftFrame(full, condition);
    const writtenAt = fate === 'late' ? offset - 10 : offset;
    const checksum = placeFrame(draft, { writtenAt, first: last.position + 1, time: time + places.length, ledgerId, previous: last.checksum, base: last });
    const bytes = fate === 'torn' ? draft.bytes.subarray(0, -3) : draft.bytes;
    if (fate === 'counts') last = { position: last.position + events.length, checksum, offset };
    pieces.push(Buffer.from(bytes));
    places.push({ offset, end: offset + bytes.length });
    offset += bytes.length;
  }
  const ledger = Buffer.concat(pieces);
  const checkpoint = encodeCheckpoint({ ledgerId: ledgerId.toString('hex'), durable: last, eventFiles: undefined });
  return { ledger, places, files: new Map([[inFolder('ledger'), ledger], [inFolder('checkpoint'), checkpoint]]) };
}
