/** What tests of the index stand on: a ledger that is a list of frames, and a disk that is a map. */
import { matchesQuery, type Query } from '../../src/core/query.js';
import type { ChainPoint, EventKeys, IndexedEvent, UnreadFrame } from '../../src/core/stored.js';
import type { Awaitable, Disk, DiskFile, FileStat } from '../../src/disk/disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { EventIndex, type EventIndexOptions, type ScannedFrame } from '../../src/indexing/event-index.js';

export const testBlockSize = 64;
export const testLedgerId = Buffer.from('0123456789abcdef', 'latin1');

export type Keys = { readonly type: string; readonly tags: readonly string[]; readonly id?: string };

/** A frame of the list, both ways in which the index gets it: with its events, or with their bytes. */
export type ListedFrame = ScannedFrame & { readonly unread: UnreadFrame };

export class FrameList {
  readonly frames: ListedFrame[] = [];
  /** How often a block was read again. */
  scans = 0;

  get last(): number {
    return this.frames.at(-1)?.point.position ?? 0;
  }

  get events(): IndexedEvent[] {
    return this.frames.flatMap(({ events }) => events);
  }

  append(keys: readonly Keys[]): ListedFrame {
    const first = this.last + 1;
    const offset = 2 ** 33 + first * 1_000_000 + this.frames.length;
    const unread = encodeUnread(keys, first, offset);
    const { bytesAt, records } = unread;
    const events = keys.map((_, i) => ({ ...unread.keys(records[i]!), position: first + i, offset: bytesAt + records[i]!, length: records[i + 1]! - records[i]! }));
    const frame = { point: { position: first + keys.length - 1, offset, checksum: (Math.imul(offset, 2654435761) ^ this.frames.length) >>> 0 }, events, unread };
    this.frames.push(frame);
    return frame;
  }

  /** The frames from `from` on, this one included. */
  since(from: ChainPoint | undefined): ListedFrame[] {
    const start = from ? this.frames.findIndex(({ point }) => point.offset === from.offset && point.checksum === from.checksum) : 0;
    if (start < 0) throw new Error(`the ledger has no frame at ${from?.offset}`);
    return this.frames.slice(start);
  }

  scanBlock = async (first: number, from: ChainPoint | undefined): Promise<ScannedFrame[]> => {
    this.scans++;
    if ((from === undefined) !== (first === 1)) throw new Error(`block from ${first} on is scanned from ${from?.position}`);
    if (from && (from.position < first - 1 || !this.since(from)[0]!.events.some(({ position }) => position === first - 1))) {
      throw new Error('the scan does not begin with the frame of the position before');
    }
    const frames = this.since(from);
    const end = frames.findIndex(({ point }) => point.position >= first + testBlockSize - 1);
    return frames.slice(0, end < 0 ? undefined : end + 1);
  };

  matching(query: Query, after = 0, upTo = this.last): number[] {
    return this.events.filter((event) => event.position > after && event.position <= upTo && matchesQuery(query, event)).map(({ position }) => position);
  }
}

/** The texts of a key stand in what comes before the records, and in the content of each, too. */
function encodeUnread(keys: readonly Keys[], first: number, bytesAt: number): UnreadFrame {
  const texts = keys.map(({ type, tags, id }, i) => JSON.stringify([type, tags, id ?? `id-${first + i}`]));
  const parts = [JSON.stringify(keys[0]), ...texts.map((text, i) => `${text}${JSON.stringify(keys[(i + 1) % keys.length])}`)].map((part) => Buffer.from(part));
  const records = new Float64Array(keys.length + 1);
  let end = parts[0]!.length;
  for (let i = 0; i <= keys.length; i++) {
    records[i] = end;
    end += parts[i + 1]?.length ?? 0;
  }
  const decode = (index: number): EventKeys => {
    const [type, tags, id] = JSON.parse(texts[index]!) as [string, string[], string];
    return { type, tags, id };
  };
  return { first, records, bytes: Buffer.concat(parts), bytesAt, keys: (offset) => decode(records.indexOf(offset)), spelling: (text) => Buffer.from(JSON.stringify(text)), otherSpellings: [], isInKeys: () => false };
}

/** Opens an index as the engine does: what is not sealed comes from the ledger. */
export async function openIndex(ledger: FrameList, disk: Disk, options: Partial<EventIndexOptions> = {}): Promise<EventIndex> {
  const index = await EventIndex.open({
    disk,
    directory: '/index',
    ledgerId: testLedgerId,
    random: systemRandom,
    readOnly: false,
    blockSize: testBlockSize,
    groupSizes: [16],
    scanBlock: ledger.scanBlock,
    yieldTurn: () => Promise.resolve(),
    ...options,
  });
  for (const { point, unread } of ledger.since(index.scanFrom)) index.addUnread(point, unread);
  return index;
}

/** Seals and merges, as the engine does. */
export async function seal(index: EventIndex, durable: number, isLast = false): Promise<void> {
  await index.seal(durable, isLast);
  await index.merge();
}

export async function positionsOf(index: EventIndex, query: Query, range: { after?: number; upTo?: number; backwards?: boolean } = {}): Promise<number[]> {
  return index.cursor(query, { after: 0, upTo: index.last, backwards: false, ...range }).next(Infinity);
}

export class MapDisk implements Pick<Disk, 'open' | 'stat' | 'list' | 'createFile' | 'rename' | 'removeFile' | 'makeDirectory' | 'syncFile'> {
  readonly files = new Map<string, Buffer>();
  /** Calls return promises, as those of a slow disk do. */
  isSlow = false;
  /** Called first by each verb; may throw. */
  before: (verb: string, path: string) => void = () => undefined;
  openCount = 0;
  openCountMax = 0;
  #hasDirectory = false;

  /** As the port, of which the index needs only this much. */
  get port(): Disk {
    return this as unknown as Disk;
  }

  open(path: string): Awaitable<DiskFile> {
    return this.#do('open', path, () => {
      const bytes = this.files.get(path);
      if (!bytes) throw systemError('ENOENT');
      this.openCountMax = Math.max(this.openCountMax, ++this.openCount);
      let isOpen = true;
      const file: Pick<DiskFile, 'read' | 'writeAt' | 'close'> = {
        read: (target, offset) =>
          this.#do('read', path, () => {
            if (!isOpen) throw systemError('EBADF');
            return bytes.copy(target, 0, Math.min(offset, bytes.length));
          }),
        writeAt: (written, offset) =>
          this.#do('writeAt', path, () => {
            this.files.set(path, Buffer.concat([this.files.get(path)!.subarray(0, offset), written]));
          }),
        close: () => {
          if (isOpen) this.openCount--;
          isOpen = false;
        },
      };
      return file as DiskFile;
    });
  }

  /** Of the folder; nothing else is asked for. */
  stat(): Awaitable<FileStat | undefined> {
    return this.#do('stat', '/index', () => (this.#hasDirectory ? ({ kind: 'directory' } as FileStat) : undefined));
  }

  list(): Awaitable<string[] | undefined> {
    return this.#do('list', '/index', () => (this.#hasDirectory ? [...this.files.keys()].map((file) => file.slice('/index/'.length)) : undefined));
  }

  readFile(path: string): Awaitable<Buffer | undefined> {
    return this.#do('readFile', path, () => this.files.get(path));
  }

  createFile(path: string, bytes: Uint8Array): Awaitable<void> {
    return this.#do('createFile', path, () => {
      if (!this.#hasDirectory) throw systemError('ENOENT');
      if (this.files.has(path)) throw systemError('EEXIST');
      this.files.set(path, Buffer.from(bytes));
    });
  }

  rename(from: string, to: string): Awaitable<void> {
    return this.#do('rename', to, () => {
      this.files.set(to, this.files.get(from)!);
      this.files.delete(from);
    });
  }

  removeFile(path: string): Awaitable<void> {
    return this.#do('removeFile', path, () => void this.files.delete(path));
  }

  syncFile(path: string): Awaitable<void> {
    return this.#do('syncFile', path, () => undefined);
  }

  makeDirectory(): Awaitable<boolean> {
    return this.#do('makeDirectory', '/index', () => {
      const isNew = !this.#hasDirectory;
      this.#hasDirectory = true;
      return isNew;
    });
  }

  #do<T>(verb: string, path: string, work: () => T): Awaitable<T> {
    const call = (): T => {
      this.before(verb, path);
      return work();
    };
    return this.isSlow ? new Promise((resolve) => setImmediate(resolve)).then(call) : call();
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export function blockPath(block: number): string {
  return `/index/${String(block).padStart(10, '0')}.idx`;
}

/** Of the keys of blocks `first` to `last`. */
export function keysPath(first: number, last: number): string {
  return `/index/${String(first).padStart(10, '0')}-${String(last).padStart(10, '0')}.keys`;
}
