/*
 * Finds or makes the frame that begins a ledger. Processes may race to make it: the first valid header wins. It is durable,
 * with every directory that leads to it, before the first event is written. A ledger is only ever made where nothing of a
 * store is: a missing or damaged one beside event files is reported, so that no position is handed out twice.
 */
import path from 'node:path';
import { InvalidInputError, LedgerCorruptError, UnsupportedFormatError } from '../core/errors.js';
import type { ChainPoint } from '../core/stored.js';
import type { Clock } from '../disk/clock.js';
import type { Disk, DiskFile, FileStat } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';
import { formatVersion, ledgerIdLength } from './format.js';
import { FrameScan, type FoundFrame } from './frame-scan.js';
import { decodeHeaderBody, encodeHeaderFrame, newerVersionAt } from './frame.js';
import { markUnsynced } from './unsynced.js';

export type EventFileFormat = 'json' | 'msgpack' | 'none';

/** What the ledger's first frame says. */
export type LedgerHeader = {
  readonly ledgerId: Buffer;
  readonly eventFiles: EventFileFormat;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly checksum: number;
  readonly offset: number;
  /** Offset behind the header: where the first event's frame may lie. */
  readonly end: number;
};

export type LedgerPorts = { readonly disk: Disk; readonly clock: Clock; readonly random: Random };

/** The header as the point where the chain begins. */
export function headerPoint({ checksum, offset }: LedgerHeader): ChainPoint {
  return { position: 0, checksum, offset };
}

type HeaderBody = { format: number; eventFiles: EventFileFormat; createdAt: string };

/** A torn header is shorter than this; a longer file without a header is damaged, never new. */
const tornHeaderLimit = 1024;

/** Opens the ledger in the context folder `directory`, which exists; makes it, with `eventFiles`, when the folder holds nothing of a store. */
export async function openLedgerFile(
  directory: string,
  eventFiles: EventFileFormat | undefined,
  ports: LedgerPorts,
): Promise<{ file: DiskFile; header: LedgerHeader }> {
  const ledgerPath = path.join(directory, 'ledger');
  const found = await ports.disk.stat(ledgerPath);
  if (!found) await refuseLostLedger(directory, ports.disk);
  else refuseNoFile(found, ledgerPath);
  const file = await ports.disk.open(ledgerPath, 'append-create');
  try {
    const header = await findOrAppendHeader(file, directory, eventFiles ?? 'json', ports);
    // Whoever made the header may have died before it was durable.
    if ((await file.stat()).size <= 2 * tornHeaderLimit) await makeDurable(file, directory, ports.disk);
    return { file, header };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a ledger that exists, for reading only. */
export async function openLedgerFileReadOnly(directory: string, disk: Disk): Promise<{ file: DiskFile; header: LedgerHeader }> {
  const ledgerPath = path.join(directory, 'ledger');
  const found = await disk.stat(ledgerPath);
  if (!found) {
    await refuseLostLedger(directory, disk);
    throw new InvalidInputError('options.directory', `leads to no store: there is no file ${ledgerPath}. A readOnly store must exist.`);
  }
  refuseNoFile(found, ledgerPath);
  const file = await disk.open(ledgerPath, 'read');
  try {
    const header = (await findHeader(file, ledgerPath)) ?? (await refuseHeaderless(file, directory, disk));
    if (!header) throw new InvalidInputError('options.directory', `leads to a store that was never finished: ${ledgerPath} has no header yet.`);
    return { file, header };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** R4. A pipe would never answer, a folder holds no frames. */
function refuseNoFile({ kind }: FileStat, ledgerPath: string): void {
  if (kind === 'file') return;
  throw new LedgerCorruptError(
    `${ledgerPath} is ${kind === 'directory' ? 'a folder' : 'no regular file'}, and not a ledger. Put the ledger back in its place; or run "opossum repair", ` +
      'which moves aside what is there and tells what it can rebuild.',
    { file: ledgerPath },
  );
}

/** Refuses a ledger that has no header although the folder holds more of a store, unless somebody made the header meanwhile. */
async function refuseHeaderless(file: DiskFile, directory: string, disk: Disk): Promise<LedgerHeader | undefined> {
  try {
    await refuseLostLedger(directory, disk);
    return undefined;
  } catch (error) {
    // Another process may have made the header, and more, a moment ago.
    const made = await findHeader(file, path.join(directory, 'ledger'));
    if (made) return made;
    throw error;
  }
}

/** R2, R19. */
async function refuseLostLedger(directory: string, disk: Disk): Promise<void> {
  // A repair that did not finish may have left nothing but its quarantine.
  for (const name of ['events', 'index', 'checkpoint', 'quarantine']) {
    const inside = path.join(directory, name);
    const found = await disk.stat(inside);
    if (found && (found.kind !== 'directory' || ((await disk.list(inside)) ?? []).length > 0)) {
      throw new LedgerCorruptError(
        `The ledger is missing or empty: ${directory} holds ${name}, but no ledger with a header. Nothing is appended to such a folder, since positions ` +
          'could be handed out twice. Run "opossum repair", which tells what it can rebuild, or restore the ledger from a backup.',
        { file: path.join(directory, 'ledger') },
      );
    }
  }
}

/** R1, R3. */
async function findOrAppendHeader(file: DiskFile, directory: string, eventFiles: EventFileFormat, ports: LedgerPorts): Promise<LedgerHeader> {
  const ledgerPath = path.join(directory, 'ledger');
  // Every attempt that fails leaves bytes behind, and findHeader refuses a file that grew beyond what torn headers take.
  for (;;) {
    const header = await findHeader(file, ledgerPath);
    if (header) return header;
    const made = await refuseHeaderless(file, directory, ports.disk);
    if (made) return made;
    const now = ports.clock.now();
    const body: HeaderBody = { format: formatVersion, eventFiles, createdAt: new Date(now).toISOString() };
    await file.append(
      encodeHeaderFrame(body, {
        writtenAt: (await file.stat()).size,
        first: 0,
        time: now,
        ledgerId: ports.random.bytes(ledgerIdLength),
        previous: 0,
        base: { position: 0, checksum: 0 },
      }),
    );
  }
}

/** The first valid header, or undefined when the file holds nothing but what a torn header may leave (R3, else R4). R5. */
async function findHeader(file: DiskFile, ledgerPath: string): Promise<LedgerHeader | undefined> {
  const { size } = await file.stat();
  const frame = await firstFrame(file, Math.min(size, 2 * tornHeaderLimit));
  if (frame && frame.head.count === 0 && frame.head.writtenAt === frame.offset) return toHeader(frame);

  const beginning = Buffer.alloc(Math.min(size, tornHeaderLimit));
  await file.read(beginning, 0);
  const newer = newerVersionAt(beginning, 0);
  if (newer !== undefined) {
    throw new UnsupportedFormatError(
      `${ledgerPath} has format version ${newer}; this version of opossum-store reads versions up to ${formatVersion}. Update opossum-store.`,
      { file: ledgerPath, version: newer, supported: formatVersion },
    );
  }
  const tornHeader = beginning.length === 0 || beginning[0] === 0xc1 || beginning[0] === 0;
  if (frame || !tornHeader || size > tornHeaderLimit) {
    throw new LedgerCorruptError(
      `${ledgerPath} does not begin with a valid header: it is damaged, or another program's file (${size} bytes). ` +
        'Run "opossum verify", then "opossum repair", or restore it from a backup.',
      { file: ledgerPath, offset: 0, size },
    );
  }
  return undefined;
}

/** The first undamaged frame that is a header in its place (R6); where there is none, the first of any kind. */
async function firstFrame(file: DiskFile, limit: number): Promise<FoundFrame | undefined> {
  const scan = new FrameScan(file, 0, limit);
  let other: FoundFrame | undefined;
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    if (frame.head.count > 0) return other ?? frame;
    if (frame.head.writtenAt === frame.offset) return frame;
    other ??= frame;
  }
  return undefined;
}

/** Whether the header is in the file, whole, where it was. */
export async function holdsHeader(file: DiskFile, header: LedgerHeader): Promise<boolean> {
  const frame = await new FrameScan(file, header.offset, header.end).next();
  return frame?.offset === header.offset && frame.head.checksum === header.checksum;
}

function toHeader({ head, bytes, offset, start, end }: FoundFrame): LedgerHeader {
  const body = decodeHeaderBody(bytes, start, head) as HeaderBody;
  return { ledgerId: head.ledgerId, eventFiles: body.eventFiles, createdAt: body.createdAt, checksum: head.checksum, offset, end };
}

/**
 * Makes the header durable, and all names that lead to it: any of the folders may have been made a moment ago by a process
 * that died before it synced them.
 */
async function makeDurable(file: DiskFile, directory: string, disk: Disk): Promise<void> {
  try {
    await file.dataSync();
  } catch (error) {
    // The next sync may claim success without the header. The mark makes the next writer write it again, before any event.
    await leaveMark(directory, disk);
    throw error;
  }
  for (let folder = directory; ; folder = path.dirname(folder)) {
    try {
      await disk.syncDirectory(folder);
    } catch (error) {
      // A folder above the store may belong to someone else, and then was not made by this store either.
      if (folder === directory || !notOurs.includes(codeOf(error) ?? '')) throw error;
    }
    if (folder === path.dirname(folder)) return;
  }
}

/** What systems say when somebody else's folder cannot be opened or synced. */
const notOurs = ['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOTSUP'];

async function leaveMark(directory: string, disk: Disk): Promise<void> {
  try {
    await markUnsynced(directory, 0, disk);
  } catch {
    // The sync's own failure tells more.
  }
}
