import path from 'node:path';
import type { Disk } from '../../disk/disk.js';
import { openEventFileCodec, type EventFileCodec, type EventFileContent } from '../../eventfiles/event-file.js';
import { positionOf } from '../../eventfiles/paths.js';
import type { EventFileFormat } from '../../ledger/header.js';
import type { Breather } from '../breather.js';
import { eventFilePath } from './folder-survey.js';

/** The event files of a context as a source to rebuild from: only files that are whole and about the position of their name. */
export class EventFileSource {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #codec: EventFileCodec | undefined;
  readonly #breather: Breather;
  #last: { position: number; content: EventFileContent | undefined } | undefined;

  static async open(directory: string, format: EventFileFormat, disk: Disk, breather: Breather): Promise<EventFileSource> {
    return new EventFileSource(directory, format === 'none' ? undefined : await openEventFileCodec(format), disk, breather);
  }

  private constructor(directory: string, codec: EventFileCodec | undefined, disk: Disk, breather: Breather) {
    this.#directory = directory;
    this.#codec = codec;
    this.#disk = disk;
    this.#breather = breather;
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
    await this.#breather.breathe();
    const bytes = await this.#disk.readFile(path.join(this.#directory, eventFilePath(position, this.#codec.format)));
    const content = bytes && this.#codec.decode(bytes);
    if (content?.position !== position) return undefined;
    const { first, count } = content.batch;
    return first >= 1 && first <= position && position < first + count ? content : undefined;
  }

  async #positionsAbove(last: number): Promise<number[]> {
    const { format } = this.#codec!;
    const found: number[] = [];
    const events = path.join(this.#directory, 'events');
    for (const folder of (await this.#disk.list(events)) ?? []) {
      if (!/^\d{7,}$/.test(folder) || Number(folder) * 1000 <= last) continue;
      for (const name of (await this.#disk.list(path.join(events, folder))) ?? []) {
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
  for (const folder of (await disk.list(events)) ?? []) {
    if (!/^\d{7,}$/.test(folder)) continue;
    for (const name of (await disk.list(path.join(events, folder))) ?? []) {
      if (positionOf(name, 'json') !== undefined) return 'json';
      if (positionOf(name, 'msgpack') !== undefined) return 'msgpack';
    }
  }
  return undefined;
}
