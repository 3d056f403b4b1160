import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { openEventFileCodec, type EventFileCodec, type EventFileContent, type EventFileFormat } from './event-file.js';
import { eventFilePath, positionOf } from './paths.js';

export type EventFileSourceOptions = {
  /** The context's folder. */
  readonly directory: string;
  readonly format: EventFileFormat | 'none';
  readonly disk: Disk;
  /** The whole file, undefined when there is none; what it throws, reading an event throws. */
  readFile(file: string): Promise<Buffer | undefined>;
  /** Called before every file, to let others run. */
  breathe(): Promise<void>;
};

/** The event files of a context as a source to rebuild from: only files that are whole and about the position of their name. */
export class EventFileSource {
  readonly #options: EventFileSourceOptions;
  readonly #codec: EventFileCodec | undefined;
  #last: { position: number; content: EventFileContent | undefined } | undefined;

  static async open(options: EventFileSourceOptions): Promise<EventFileSource> {
    return new EventFileSource(options, options.format === 'none' ? undefined : await openEventFileCodec(options.format));
  }

  private constructor(options: EventFileSourceOptions, codec: EventFileCodec | undefined) {
    this.#options = options;
    this.#codec = codec;
  }

  async read(position: number): Promise<EventFileContent | undefined> {
    if (this.#last?.position !== position) this.#last = { position, content: await this.#read(position) };
    return this.#last.content;
  }

  /**
   * Up to which position above `last` there were events, as far as files tell by their names. More than half of the
   * positions up to there must have a file: a single one far away was put there by somebody, and proves nothing. With
   * `isLedgerLost` nothing else tells, and every sound file counts: a position must not be handed out twice.
   */
  async endBeyond(last: number, isLedgerLost: boolean): Promise<number> {
    if (!this.#codec) return last;
    let end = last;
    let count = 0;
    for (const position of await this.#positionsAbove(last)) {
      count++;
      if (count * 2 > position - last || (isLedgerLost && (await this.read(position)))) end = position;
    }
    const batch = end > last ? (await this.read(end))?.batch : undefined;
    return batch ? Math.max(end, batch.first + batch.count - 1) : end;
  }

  async #read(position: number): Promise<EventFileContent | undefined> {
    if (!this.#codec) return undefined;
    const { directory, readFile, breathe } = this.#options;
    await breathe();
    const bytes = await readFile(path.join(directory, eventFilePath(position, this.#codec.format)));
    const content = bytes && this.#codec.decode(bytes);
    if (content?.position !== position) return undefined;
    const { first, count } = content.batch;
    return first >= 1 && first <= position && position < first + count ? content : undefined;
  }

  async #positionsAbove(last: number): Promise<number[]> {
    const { format } = this.#codec!;
    const { directory, disk } = this.#options;
    const found: number[] = [];
    const events = path.join(directory, 'events');
    for (const folder of await listFolder(events, disk)) {
      if (!/^\d{7,}$/.test(folder) || Number(folder) * 1000 <= last) continue;
      for (const name of await listFolder(path.join(events, folder), disk)) {
        const position = positionOf(name, format);
        if (position !== undefined && position > last && eventFilePath(position, format) === path.join('events', folder, name)) found.push(position);
      }
    }
    return found.sort((a, b) => a - b);
  }
}

/** The format that the names in `events/` speak of; undefined where there are none. */
export async function formatOfNames(directory: string, disk: Disk): Promise<EventFileFormat | undefined> {
  const events = path.join(directory, 'events');
  for (const folder of await listFolder(events, disk)) {
    if (!/^\d{7,}$/.test(folder)) continue;
    for (const name of await listFolder(path.join(events, folder), disk)) {
      if (positionOf(name, 'json') !== undefined) return 'json';
      if (positionOf(name, 'msgpack') !== undefined) return 'msgpack';
    }
  }
  return undefined;
}

/** Something else in the place of a folder holds nothing. */
async function listFolder(folder: string, disk: Disk): Promise<string[]> {
  return (await disk.stat(folder))?.kind === 'directory' ? ((await disk.list(folder)) ?? []) : [];
}
