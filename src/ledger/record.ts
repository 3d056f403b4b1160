/*
 * An event as it lies in a frame: a head, the keys (type, tags, id) and the content (time stamp, metadata, data). The keys
 * can be read without the content, and the checksum, seeded with the position, proves a record without its frame.
 */
import { crc32 } from 'node:zlib';
import type { JsonObject, JsonValue, PreparedEvent, SequencedEvent } from '../core/event.js';
import { recordHeadLength } from './format.js';
import { pack, unpack } from '../core/msgpack.js';

export type EventKeys = { readonly type: string; readonly tags: readonly string[]; readonly id: string };

type StoredKeys = [type: string, id: string, ...tags: string[]];
type StoredContent = [timestamp: string, metadata: JsonObject, data: JsonValue];

/** The two parts of a record, encoded before its position is known. */
export type RecordParts = { readonly keys: Buffer; readonly content: Buffer };

export function encodeRecordParts(event: PreparedEvent): RecordParts {
  const keys: StoredKeys = [event.type, event.id, ...event.tags];
  const content: StoredContent = [event.timestamp, event.metadata, event.data];
  return { keys: pack(keys), content: pack(content) };
}

export function recordLength(parts: RecordParts): number {
  return recordHeadLength + parts.keys.length + parts.content.length;
}

/** Writes a record without its checksum; returns the offset behind it. */
export function writeRecord(parts: RecordParts, target: Buffer, offset: number): number {
  target.writeUInt32LE(parts.keys.length, offset);
  target.writeUInt32LE(parts.content.length, offset + 4);
  target.set(parts.keys, offset + recordHeadLength);
  target.set(parts.content, offset + recordHeadLength + parts.keys.length);
  return offset + recordLength(parts);
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

/** Offset behind the record that begins at `offset`. */
export function recordEnd(bytes: Buffer, offset: number): number {
  return offset + recordHeadLength + bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4);
}

export function decodeKeys(bytes: Buffer, offset: number): EventKeys {
  const start = offset + recordHeadLength;
  const [type, id, ...tags] = unpack(bytes, start, start + bytes.readUInt32LE(offset)) as StoredKeys;
  return { type, id, tags };
}

export function decodeEvent(bytes: Buffer, offset: number, position: number): SequencedEvent {
  const { type, id, tags } = decodeKeys(bytes, offset);
  const [timestamp, metadata, data] = unpack(
    bytes,
    offset + recordHeadLength + bytes.readUInt32LE(offset),
    recordEnd(bytes, offset),
  ) as StoredContent;
  return { position, type, tags, id, data, metadata, timestamp };
}

function recordChecksum(bytes: Buffer, offset: number, end: number, position: number): number {
  // The seed makes a record that lies at another position's place fail its check.
  return crc32(bytes.subarray(offset + recordHeadLength, end), position >>> 0);
}
