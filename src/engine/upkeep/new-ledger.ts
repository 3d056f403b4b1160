/*
 * Writes the ledger that a rebuild made: under a temporary name, whole, synced, and only then by its name. Every frame has
 * the one before it as its base, which is true since nobody sees the file before all of it is durable, and which shows
 * later damage.
 */
import path from 'node:path';
import { StorageFailedError } from '../../core/errors.js';
import type { SequencedEvent } from '../../core/event.js';
import type { ChainMark, StoredBatch } from '../../core/stored.js';
import type { DiskFile } from '../../disk/disk.js';
import type { EventFileSource } from '../../eventfiles/event-file-source.js';
import { formatVersion, headLength } from '../../ledger/format.js';
import { decodeHead, draftFrame, encodeHeaderFrame, placeFrame } from '../../ledger/frame.js';
import type { EventFileFormat, LedgerPorts } from '../../ledger/header.js';
import { decodeEvent } from '../../ledger/record.js';
import { FrameScan } from '../../ledger/frame-scan.js';
import { storedBatch } from '../../ledger/stored-batch.js';
import type { Breather } from '../breather.js';
import type { KnownFrame } from './frame-table.js';
import { repairingName } from './folder-survey.js';
import { readStretch } from './ledger-remains.js';
import type { EventOrigin, MadeBatch, RebuildPlan } from './rebuild-plan.js';

/** Frames are written together up to so many bytes. */
const pieceBytes = 4 * 1024 * 1024;

export type BatchSources = {
  /** The damaged ledger. */
  readonly file: DiskFile | undefined;
  readonly eventFiles: EventFileSource;
  readonly random: LedgerPorts['random'];
  readonly breather: Breather;
};

/** The batches of a plan, in order; each is valid until the next. */
export async function* plannedBatches(plan: RebuildPlan, sources: BatchSources): AsyncGenerator<StoredBatch> {
  for (const batch of plan.batches) {
    await sources.breather.breathe();
    yield await (typeof batch === 'number' ? wholeBatch(plan.frames.get(batch), sources) : madeBatch(batch, sources));
  }
}

async function wholeBatch(frame: KnownFrame, { file }: BatchSources): Promise<StoredBatch> {
  const found = await new FrameScan(file!, frame.offset, frame.offset + headLength + frame.bodyLength).next();
  if (found?.offset !== frame.offset) throw new Error(`the frame at byte ${frame.offset} of the damaged ledger changed while it was read`);
  return storedBatch(found);
}

async function madeBatch(batch: MadeBatch, sources: BatchSources): Promise<StoredBatch> {
  const { first, time, condition, origins } = batch;
  const events: SequencedEvent[] = [];
  for (const [i, origin] of origins.entries()) events.push(await originalEvent(origin, first + i, time, sources));
  const point = { position: first + events.length - 1, checksum: 0, offset: 0 };
  return { point, first, count: events.length, time, condition, event: (index) => events[index]! };
}

async function originalEvent(origin: EventOrigin, position: number, time: number, { file, eventFiles, random }: BatchSources): Promise<SequencedEvent> {
  if (origin === 'lost') return placeholder(position, time, random.uuid());
  if (origin !== 'event file') return decodeEvent(await readStretch(file!, { from: origin.offset, to: origin.end }), 0, position);
  const content = await eventFiles.read(position);
  if (!content) throw new Error(`the event file of event ${position} changed while it was read`);
  const { batch: _, ...event } = content;
  return event;
}

/** Stands where an event was lost, so that all others keep their positions. */
function placeholder(position: number, time: number, id: string): SequencedEvent {
  const data = { position, reason: 'The event of this position was damaged and could not be restored from anything.' };
  return { position, type: 'opossum.lost', tags: [], id, data, metadata: {}, timestamp: new Date(time).toISOString() };
}

export type NewLedgerOptions = {
  /** The context's folder, in which no ledger is. */
  readonly directory: string;
  readonly ledgerId: Buffer;
  readonly eventFiles: EventFileFormat;
  /** RFC 3339; now when absent. */
  readonly createdAt: string | undefined;
  readonly batches: AsyncIterable<StoredBatch>;
  /** Called before every piece that is written, and before the file gets its name; throws to stop. */
  readonly mayGoOn: () => void;
  /** Called when all was read and written, before the file gets its name; throws to stop. */
  readonly confirm: () => Promise<void>;
};

export async function writeNewLedger(options: NewLedgerOptions, { disk, clock }: Pick<LedgerPorts, 'disk' | 'clock'>): Promise<void> {
  const { directory, ledgerId, eventFiles, batches, mayGoOn, confirm } = options;
  const temporary = path.join(directory, repairingName);
  const time = clock.now();
  const body = { format: formatVersion, eventFiles, createdAt: options.createdAt ?? new Date(time).toISOString() };
  const header = encodeHeaderFrame(body, { writtenAt: 0, first: 0, time, ledgerId, previous: 0, base: { position: 0, checksum: 0 } });
  await disk.createFile(temporary, header);
  const file = await disk.open(temporary, 'append');
  try {
    for await (const piece of inPieces(encodeFrames(header, ledgerId, batches))) {
      mayGoOn();
      await appendAll(file, piece, temporary);
    }
    await file.dataSync();
  } finally {
    await file.close();
  }
  await confirm();
  mayGoOn();
  await disk.rename(temporary, path.join(directory, 'ledger'));
  await disk.syncDirectory(directory);
}

async function* encodeFrames(header: Buffer, ledgerId: Buffer, batches: AsyncIterable<StoredBatch>): AsyncGenerator<Buffer> {
  let last: ChainMark = { position: 0, checksum: decodeHead(header, 0)!.checksum };
  let writtenAt = header.length;
  for await (const batch of batches) {
    const events = Array.from({ length: batch.count }, (_, i) => ({ ...batch.event(i), ownId: true }));
    const draft = draftFrame(events, batch.condition);
    const checksum = placeFrame(draft, { writtenAt, first: batch.first, time: batch.time, ledgerId, previous: last.checksum, base: last });
    last = { position: batch.first + batch.count - 1, checksum };
    writtenAt += draft.bytes.length;
    yield draft.bytes;
  }
}

async function* inPieces(frames: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = [];
  let length = 0;
  for await (const frame of frames) {
    gathered.push(frame);
    length += frame.length;
    if (length < pieceBytes) continue;
    yield Buffer.concat(gathered);
    [gathered, length] = [[], 0];
  }
  if (length > 0) yield Buffer.concat(gathered);
}

async function appendAll(file: DiskFile, bytes: Buffer, name: string): Promise<void> {
  const count = await file.append(bytes);
  if (count === bytes.length) return;
  throw new StorageFailedError(
    `${name} took only ${count} of ${bytes.length} bytes: the disk is full. The damaged ledger lies in the quarantine; make room and repair again.`,
    'not-committed',
    { file: name },
  );
}
