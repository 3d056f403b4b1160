/*
 * The ledger that is backed up: read from its beginning, without its lock, up to a head that is durable. What was durable
 * once and is missing now stops the backup here, before anything of an earlier one is touched.
 */
import path from 'node:path';
import { LedgerCorruptError, StorageFailedError } from '../../core/errors.js';
import type { ChainMark, ChainPoint } from '../../core/stored.js';
import { sleep } from '../../disk/clock.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { codeOf, messageOf } from '../../disk/error-code.js';
import { Chain } from '../../ledger/chain.js';
import { FrameScan } from '../../ledger/frame-scan.js';
import { headerPoint, openLedgerFileReadOnly, type LedgerHeader, type LedgerPorts } from '../../ledger/header.js';
import { chainPoint, orphanError } from '../../ledger/scan-chain.js';
import { isUnsynced, markUnsynced } from '../../ledger/unsynced.js';
import { readCheckpoint } from '../checkpoint.js';
import { openIndex } from '../open-index.js';

export type BackupSource = {
  readonly file: DiskFile;
  readonly header: LedgerHeader;
  /** Every frame that counts, from the header on. */
  readonly chain: Chain;
  /** The last frame that is durable, and the offset behind it. */
  readonly head: ChainPoint;
  readonly end: number;
};

export type ScanProgress = { readonly signal: AbortSignal | undefined; readonly onProgress: (done: number, total: number) => void };

/** A reader that cannot sync trusts what has not changed for this long: any writer has synced by then. */
const quietMs = 1000;

/**
 * Reads the ledger in `directory` and makes its end durable. The caller closes `file`.
 * @throws LedgerCorruptError when committed events are damaged or missing; StorageFailedError when a sync fails.
 */
export async function openBackupSource(directory: string, ports: LedgerPorts, progress: ScanProgress): Promise<BackupSource> {
  const { file, header } = await openToSync(directory, ports.disk);
  try {
    // Before the ledger is read: what they say was durable, a later look at the ledger must find.
    const checkpoint = await readCheckpoint(directory, header.ledgerId, ports.disk);
    const sealed = await newestSealed(directory, file, header, ports);
    const scanned = await scanAll(file, header, progress);
    for (const known of [checkpoint?.durable, sealed]) if (known) refuseMissing(directory, scanned.chain, known);
    const known = further(scanned.base, checkpoint?.durable ?? scanned.base);
    const head = await durableHead({ directory, file, chain: scanned.chain, known }, ports);
    return { file, header, chain: scanned.chain, head, end: await endOf(file, header, head) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Offset behind the frame at `point`, which is in the file. */
export async function endOf(file: DiskFile, header: LedgerHeader, point: ChainPoint): Promise<number> {
  if (point.position === 0) return header.end;
  const frame = await new FrameScan(file, point.offset, (await file.stat()).size).next();
  if (frame?.offset !== point.offset) throw new LedgerCorruptError(`The ledger changed at byte ${point.offset} while it was read. Run "opossum verify".`, { offset: point.offset });
  return frame.end;
}

/** Windows flushes only descriptors that can write; where this user may not write, reading must do. */
async function openToSync(directory: string, disk: Disk): Promise<{ file: DiskFile; header: LedgerHeader }> {
  const opened = await openLedgerFileReadOnly(directory, disk);
  try {
    const file = await disk.open(path.join(directory, 'ledger'), 'append');
    // A repair may have put another ledger in its place between the two openings: then the one whose header we know must do.
    if ((await file.stat()).ino !== (await opened.file.stat()).ino) {
      await file.close();
      return opened;
    }
    await opened.file.close();
    return { file, header: opened.header };
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes(codeOf(error) ?? '')) return opened;
    await opened.file.close();
    throw error;
  }
}

async function newestSealed(directory: string, file: DiskFile, header: LedgerHeader, ports: LedgerPorts): Promise<ChainPoint | undefined> {
  const index = await openIndex({ directory, readOnly: true }, file, header, ports);
  index.close();
  return index.scanFrom;
}

async function scanAll(file: DiskFile, header: LedgerHeader, { signal, onProgress }: ScanProgress): Promise<{ chain: Chain; base: ChainMark }> {
  const { size } = await file.stat();
  const chain = new Chain(header.ledgerId, headerPoint(header));
  const scan = new FrameScan(file, header.end, size);
  let base: ChainMark = headerPoint(header);
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    signal?.throwIfAborted();
    onProgress(frame.offset, size);
    const verdict = chain.judge(frame.head, frame.offset);
    if (verdict === 'orphan') throw orphanError(frame, chain.last.position);
    if (verdict !== 'counts') continue;
    chain.add(chainPoint(frame));
    if (chain.includes(frame.head.base)) base = further(base, frame.head.base);
  }
  return { chain, base };
}

function refuseMissing(directory: string, chain: Chain, known: ChainPoint): void {
  const found = chain.find(known.position);
  if (found?.checksum === known.checksum && found.offset === known.offset) return;
  const file = path.join(directory, 'ledger');
  throw new LedgerCorruptError(
    `${file} ends with position ${chain.last.position} or leaves the chain before, but events up to position ${known.position} were durable. ` +
      'Nothing was backed up. Run "opossum verify", then "opossum repair"; keep the backups that you have.',
    { file, position: Math.min(known.position, chain.last.position + 1) },
  );
}

type Tail = { readonly directory: string; readonly file: DiskFile; readonly chain: Chain; readonly known: ChainMark };

/** As readers do: everything, once it is synced; behind a failed sync only what frames and checkpoint know to be durable. */
async function durableHead({ directory, file, chain, known }: Tail, { disk, clock }: LedgerPorts): Promise<ChainPoint> {
  const durable = chain.find(known.position)!;
  if (chain.last.position === durable.position || (await isUnsynced(directory, disk))) return durable;
  try {
    await file.dataSync();
  } catch (error) {
    if (codeOf(error) === 'EROFS') return chain.last;
    if (!['EBADF', 'EINVAL', 'EPERM'].includes(codeOf(error) ?? '')) throw await syncFailed(directory, durable, error, disk);
    const { size } = await file.stat();
    await sleep(clock, quietMs);
    if ((await file.stat()).size !== size) return durable;
  }
  // Another process may have seen a sync fail while ours claimed success.
  return (await isUnsynced(directory, disk)) ? durable : chain.last;
}

/** The system tells of a failed sync once: a mark tells the next writer what we were told. */
async function syncFailed(directory: string, durable: ChainPoint, error: unknown, disk: Disk): Promise<StorageFailedError> {
  await Promise.resolve(markUnsynced(directory, durable.offset, disk)).catch(() => undefined);
  const file = path.join(directory, 'ledger');
  return new StorageFailedError(`Syncing ${file} failed (${messageOf(error)}). Nothing was backed up. Look after the disk, and run the backup again.`, 'not-committed', { file }, error);
}

function further(a: ChainMark, b: ChainMark): ChainMark {
  return b.position > a.position ? b : a;
}
