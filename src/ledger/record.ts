/*
 * An event as it lies in a frame: a head, the keys (type, id, tags) and the content (time stamp, metadata, data), which
 * together are one JSON array. The keys can be read without the content, and the checksum, seeded with the position,
 * proves a record without its frame.
 */
import { crc32 } from 'node:zlib';
import type { JsonObject, JsonValue, PreparedEvent, SequencedEvent } from '../core/event.js';
import { seedOfChecksum } from './checksum-seed.js';
import { recordHeadLength } from './format.js';

export type EventKeys = { readonly type: string; readonly tags: readonly string[]; readonly id: string };

type StoredKeys = [type: string, id: string, tags: string[]];
type StoredEvent = [...StoredKeys, timestamp: string, metadata: JsonObject, data: JsonValue];

/** The two parts of a record and their lengths in bytes, encoded before its position is known. */
export type RecordParts = { readonly keys: string; readonly content: string; readonly keysLength: number; readonly contentLength: number };

export function encodeRecordParts(event: PreparedEvent): RecordParts {
  const keys = JSON.stringify([event.type, event.id, event.tags]).slice(0, -1);
  const content = `,${JSON.stringify([event.timestamp, event.metadata, event.data]).slice(1)}`;
  return { keys, content, keysLength: Buffer.byteLength(keys), contentLength: Buffer.byteLength(content) };
}

export function recordLength({ keysLength, contentLength }: RecordParts): number {
  return recordHeadLength + keysLength + contentLength;
}

/** Writes a record without its checksum; returns the offset behind it. */
export function writeRecord({ keys, content, keysLength, contentLength }: RecordParts, target: Buffer, offset: number): number {
  target.writeUInt32LE(keysLength, offset);
  target.writeUInt32LE(contentLength, offset + 4);
  const start = offset + recordHeadLength;
  target.write(keys, start, keysLength);
  target.write(content, start + keysLength, contentLength);
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
    bytes.readUInt32LE(offset + 8) === recordChecksum(bytes, offset, end, position)
  );
}

/** The lower 32 bits of the only position whose record these bytes can be, if they are one. */
export function recordSeed(bytes: Buffer, offset: number, end: number): number {
  return seedOfChecksum(bytes, offset + recordHeadLength, end, bytes.readUInt32LE(offset + 8));
}

/** Offset behind the record that begins at `offset`. */
export function recordEnd(bytes: Buffer, offset: number): number {
  return offset + recordHeadLength + bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4);
}

export function decodeKeys(bytes: Buffer, offset: number): EventKeys {
  const start = offset + recordHeadLength;
  const [type, id, tags] = JSON.parse(`${bytes.toString('utf8', start, start + bytes.readUInt32LE(offset))}]`) as StoredKeys;
  return { type, id, tags };
}

export function decodeEvent(bytes: Buffer, offset: number, position: number): SequencedEvent {
  return decodeText(recordText(bytes, offset), position);
}

/** All that a record says, but for its head: what `decodeText` makes an event of. */
export function recordText(bytes: Buffer, offset: number): string {
  return bytes.toString('utf8', offset + recordHeadLength, recordEnd(bytes, offset));
}

export function decodeText(text: string, position: number): SequencedEvent {
  const stored = JSON.parse(text) as StoredEvent;
  return { position, type: stored[0], tags: stored[2], id: stored[1], data: stored[5], metadata: stored[4], timestamp: stored[3] };
}

function recordChecksum(bytes: Buffer, offset: number, end: number, position: number): number {
  // The seed makes a record that lies at another position's place fail its check.
  return crc32(bytes.subarray(offset + recordHeadLength, end), position >>> 0);
}
