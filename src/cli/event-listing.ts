import type { SequencedEvent } from '../index.js';
import type { Output } from './terminal.js';
import { fit, visible } from './text.js';

/** Wider cells stick out rather than push all others to the right. */
const typeWidthMax = 40;
const tagsWidthMax = 60;
const dataWidthMin = 20;
const chunkSize = 200;

/** Writes events, for people in aligned columns or as NDJSON. */
export class EventListing {
  readonly #out: Output;
  readonly #json: boolean;
  #positionWidth = 1;
  #typeWidth = 0;
  #tagsWidth = 0;

  constructor(out: Output, json: boolean) {
    this.#out = out;
    this.#json = json;
  }

  /** Writes a stream in chunks; the columns of a chunk are as wide as it needs, and never get narrower. */
  async writeAll(events: AsyncIterable<SequencedEvent>): Promise<number> {
    let chunk: SequencedEvent[] = [];
    let written = 0;
    for await (const event of events) {
      written++;
      if (chunk.push(event) < chunkSize) continue;
      await this.write(chunk);
      chunk = [];
    }
    if (chunk.length > 0) await this.write(chunk);
    return written;
  }

  write(events: readonly SequencedEvent[]): Promise<void> {
    if (this.#json) return this.#out.write(events.map((event) => `${toJsonLine(event)}\n`).join(''));
    const rows = events.map((event) => ({ event, type: visible(event.type), tags: visible(event.tags.join(' ')) }));
    for (const { event, type, tags } of rows) {
      this.#positionWidth = Math.max(this.#positionWidth, String(event.position).length);
      this.#typeWidth = Math.min(typeWidthMax, Math.max(this.#typeWidth, type.length));
      this.#tagsWidth = Math.min(tagsWidthMax, Math.max(this.#tagsWidth, tags.length));
    }
    return this.#out.write(rows.map((row) => `${this.#toLine(row)}\n`).join(''));
  }

  #toLine({ event, type, tags }: { event: SequencedEvent; type: string; tags: string }): string {
    const out = this.#out;
    const position = String(event.position).padStart(this.#positionWidth);
    const before = `${position}  ${event.timestamp}  ${type.padEnd(this.#typeWidth)}  ${tags.padEnd(this.#tagsWidth)}  `;
    const room = out.columns === undefined ? undefined : Math.max(dataWidthMin, out.columns - before.length);
    const data = fit(visible(JSON.stringify(event.data)), room);
    return [
      out.style('bold', position),
      out.style('gray', event.timestamp),
      out.style('cyan', type.padEnd(this.#typeWidth)),
      out.style('yellow', tags.padEnd(this.#tagsWidth)),
      data,
    ].join('  ');
  }
}

/** An event as exports write it: `opossum read --json | opossum import -` copies. */
function toJsonLine({ position, id, type, tags, data, metadata, timestamp }: SequencedEvent): string {
  return JSON.stringify({ position, id, type, tags, data, metadata, timestamp });
}
