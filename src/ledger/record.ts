/*
 * An event as it lies in a frame: a head, the keys (type, id, tags) and the content (time stamp, metadata, data), which
 * together are one JSON array. The keys can be read without the content, and the checksum, seeded with the position,
 * proves a record without its frame.
 */
import { crc32 } from 'node:zlib';
import type { JsonObject, JsonValue, PreparedEvent, SequencedEvent } from '../core/event.js';
import type { EventKeys } from '../core/stored.js';
import { uint32At } from '../disk/numbers.js';
import { seedOfChecksum } from './checksum-seed.js';
import { recordHeadLength } from './format.js';
import { utf8LengthMost, type GrowingBuffer } from './growing-buffer.js';

type StoredKeys = [type: string, id: string, tags: string[]];
type StoredEvent = [...StoredKeys, timestamp: string, metadata: JsonObject, data: JsonValue];

const comma = 0x2c;
const space = 0x20;

/** Writes a record without its checksum, which needs the position; returns the offset behind it. */
export function writeRecord(event: PreparedEvent, target: GrowingBuffer, offset: number): number {
  const keys = JSON.stringify([event.type, event.id, event.tags]);
  const content = JSON.stringify([event.timestamp, event.metadata, event.data]);
  const bytes = target.reserve(offset, recordHeadLength + utf8LengthMost(keys) + utf8LengthMost(content));
  const start = offset + recordHeadLength;
  // Two arrays become one: a comma in the place of the bracket that ends the first and of the one that begins the second.
  const keysLength = bytes.write(keys, start) - 1;
  const contentLength = bytes.write(content, start + keysLength);
  bytes[start + keysLength] = comma;
  bytes.writeUInt32LE(keysLength, offset);
  bytes.writeUInt32LE(contentLength, offset + 4);
  return start + keysLength + contentLength;
}

/** Puts the checksum into a record; returns the offset behind it. */
export function sealRecord(target: Buffer, offset: number, position: number): number {
  const end = recordEnd(target, offset);
  target.writeUInt32LE(recordChecksum(target, offset, end, position), offset + 8);
  return end;
}

/** Whether the bytes from `offset` to `end` (exclusive) are the whole, undamaged record of the event at `position`. */
export function isRecord(bytes: Buffer, offset: number, end: number, position: number): boolean {
  return (
    end - offset >= recordHeadLength &&
    recordEnd(bytes, offset) === end &&
    uint32At(bytes, offset + 8) === recordChecksum(bytes, offset, end, position)
  );
}

/** The lower 32 bits of the only position whose record these bytes can be, if they are one. */
export function recordSeed(bytes: Buffer, offset: number, end: number): number {
  return seedOfChecksum(bytes, offset + recordHeadLength, end, bytes.readUInt32LE(offset + 8));
}

/** Offset behind the record that begins at `offset`. */
export function recordEnd(bytes: Buffer, offset: number): number {
  return offset + recordHeadLength + uint32At(bytes, offset) + uint32At(bytes, offset + 4);
}

export function decodeKeys(bytes: Buffer, offset: number): EventKeys {
  const start = offset + recordHeadLength;
  const [type, id, tags] = JSON.parse(`${bytes.toString('utf8', start, start + bytes.readUInt32LE(offset))}]`) as StoredKeys;
  return { type, id, tags };
}

/** How a type, a tag or an id stands in the keys of the records that hold it, unless it is spelled in another way. */
export function keySpelling(text: string): Buffer {
  return Buffer.from(JSON.stringify(text));
}

/** Where keys hold none of these, only what must be escaped is, and in the only way there is for it. Other writers are free to spell otherwise. */
export const otherSpellings: readonly Buffer[] = [Buffer.from('\\u'), Buffer.from('\\/')];

/** Whether `offset` lies in the keys of the record that begins at `record`. */
export function isInKeys(bytes: Buffer, record: number, offset: number): boolean {
  const start = record + recordHeadLength;
  return offset >= start && offset < start + bytes.readUInt32LE(record);
}

export function decodeEvent(bytes: Buffer, offset: number, position: number): SequencedEvent {
  return decodeText(recordText(bytes, offset), position);
}

/** All that a record says, but for its head: what `decodeText` makes an event of. */
export function recordText(bytes: Buffer, offset: number): string {
  return bytes.toString('utf8', offset + recordHeadLength, recordEnd(bytes, offset));
}

export function decodeText(text: string, position: number): SequencedEvent {
  return eventOf(JSON.parse(text) as StoredEvent, position);
}

function eventOf(stored: StoredEvent, position: number): SequencedEvent {
  return { position, type: stored[0], tags: stored[2], id: stored[1], data: stored[5], metadata: stored[4], timestamp: stored[3] };
}

/** So many records become one JSON text: the first of more would have left the processor's cache before they are parsed. */
const recordsPerText = 64;
/** Records farther apart are decoded on their own, since what lies between them is parsed too, as white space. */
const maxWhiteSpace = 256;

/**
 * Hands the events of undamaged records at `offsets` to `take`, with the index of each. Neighbours are parsed together, which is an
 * eighth faster and overwrites what lies between them.
 */
export function decodeRecords(bytes: Buffer, offsets: readonly number[], positionOf: (index: number) => number, take: (event: SequencedEvent) => void): void {
  for (let i = 0; i < offsets.length; ) {
    const first = i;
    const start = offsets[first]! + recordHeadLength;
    let end = recordEnd(bytes, offsets[first]!);
    for (i++; i < offsets.length && i - first < recordsPerText; i++) {
      const offset = offsets[i]!;
      if (offset < end || offset - end > maxWhiteSpace) break;
      const nextEnd = recordEnd(bytes, offset);
      bytes.fill(space, end, offset + recordHeadLength);
      bytes[end] = comma;
      end = nextEnd;
    }
    const text = bytes.toString('utf8', start, end);
    if (i - first === 1) take(decodeText(text, positionOf(first)));
    else (JSON.parse(`[${text}]`) as StoredEvent[]).forEach((stored, k) => take(eventOf(stored, positionOf(first + k))));
  }
}

function recordChecksum(bytes: Buffer, offset: number, end: number, position: number): number {
  // The seed makes a record that lies at another position's place fail its check.
  const start = offset + recordHeadLength;
  return crc32(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), position >>> 0);
}
