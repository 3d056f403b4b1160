import { crc32 } from 'node:zlib';
import type { AppendCondition } from '../core/condition.js';
import type { PreparedEvent } from '../core/event.js';
import type { ChainMark } from '../core/stored.js';
import { anyVersionMarker, at, formatVersion, headLength, marker, maxBodyLength } from './format.js';
import { GrowingBuffer, utf8LengthMost } from './growing-buffer.js';
import { sealRecord, writeRecord } from './record.js';

export type FrameHead = {
  readonly bodyLength: number;
  /** Number of events; 0 in the header frame. */
  readonly count: number;
  /** Offset at which the writer believed the file to end. */
  readonly writtenAt: number;
  /** Position of the first event. */
  readonly first: number;
  /** Milliseconds since 1970, the writer's clock. */
  readonly time: number;
  readonly ledgerId: Buffer;
  /** Checksum of the frame before. */
  readonly previous: number;
  /** The last frame that the writer knew to be durable. */
  readonly base: ChainMark;
  readonly conditionLength: number;
  readonly checksum: number;
};

/** Where a frame is to lie: known only when it is written. */
export type FramePlace = Pick<FrameHead, 'writtenAt' | 'first' | 'time' | 'ledgerId' | 'previous' | 'base'>;

/**
 * A frame in the making: everything but its place is encoded. `records` holds the offset of each record in `bytes`,
 * and behind them the end of the last.
 */
export type DraftFrame = { readonly bytes: Buffer; readonly records: Float64Array; readonly conditionLength: number };

/** Encoding is done in one go, so one for all will do. */
const encoding = new GrowingBuffer();

export function draftFrame(events: readonly PreparedEvent[], condition: AppendCondition | undefined): DraftFrame {
  const conditionLength = condition === undefined ? 0 : writeCondition(condition);
  const records = new Float64Array(events.length + 1);
  let offset = headLength + conditionLength;
  for (let i = 0; i < events.length; i++) {
    records[i] = offset;
    offset = writeRecord(events[i]!, encoding, offset);
  }
  records[events.length] = offset;
  return { bytes: encoding.take(offset), records, conditionLength };
}

function writeCondition(condition: AppendCondition): number {
  const text = JSON.stringify(condition);
  return encoding.reserve(headLength, utf8LengthMost(text)).write(text, headLength);
}

/** Fills in the place of a draft; may be done again when it has to move. Returns the frame's checksum. */
export function placeFrame({ bytes, records, conditionLength }: DraftFrame, place: FramePlace): number {
  const count = records.length - 1;
  for (let i = 0; i < count; i++) sealRecord(bytes, records[i]!, place.first + i);
  return writeHead(bytes, count, conditionLength, place);
}

/** Encodes the frame that begins a ledger; `options` is what all processes share. */
export function encodeHeaderFrame(options: unknown, place: FramePlace): Buffer {
  const body = Buffer.from(JSON.stringify(options));
  const bytes = Buffer.concat([Buffer.alloc(headLength), body]);
  writeHead(bytes, 0, 0, place);
  return bytes;
}

function writeHead(bytes: Buffer, count: number, conditionLength: number, place: FramePlace): number {
  bytes.set(marker, 0);
  bytes.writeUInt32LE(bytes.length - headLength, at.bodyLength);
  bytes.writeUInt32LE(count, at.count);
  bytes.writeDoubleLE(place.writtenAt, at.writtenAt);
  bytes.writeDoubleLE(place.first, at.first);
  bytes.writeDoubleLE(place.time, at.time);
  bytes.set(place.ledgerId, at.ledgerId);
  bytes.writeUInt32LE(place.previous, at.previous);
  bytes.writeUInt32LE(place.base.checksum, at.baseChecksum);
  bytes.writeDoubleLE(place.base.position, at.basePosition);
  bytes.writeUInt32LE(conditionLength, at.conditionLength);
  const headPart = crc32(bytes.subarray(0, at.checksum));
  const checksum = crc32(bytes.subarray(headLength), headPart);
  bytes.writeUInt32LE(checksum, at.checksum);
  bytes.writeUInt32LE(crc32(bytes.subarray(at.checksum, at.headChecksum), headPart), at.headChecksum);
  return checksum;
}

/** The head at `offset`, or undefined when the bytes there are not a head of this format. */
export function decodeHead(bytes: Buffer, offset: number): FrameHead | undefined {
  if (bytes.length - offset < headLength || !isHeadOfVersion(bytes, offset, formatVersion)) return undefined;
  const bodyLength = bytes.readUInt32LE(offset + at.bodyLength);
  if (bodyLength > maxBodyLength) return undefined;
  return {
    bodyLength,
    count: bytes.readUInt32LE(offset + at.count),
    writtenAt: bytes.readDoubleLE(offset + at.writtenAt),
    first: bytes.readDoubleLE(offset + at.first),
    time: bytes.readDoubleLE(offset + at.time),
    ledgerId: Buffer.from(bytes.subarray(offset + at.ledgerId, offset + at.previous)),
    previous: bytes.readUInt32LE(offset + at.previous),
    base: { position: bytes.readDoubleLE(offset + at.basePosition), checksum: bytes.readUInt32LE(offset + at.baseChecksum) },
    conditionLength: bytes.readUInt32LE(offset + at.conditionLength),
    checksum: bytes.readUInt32LE(offset + at.checksum),
  };
}

/** The newer version whose head stands at `offset`, or undefined. Every version keeps marker, head length and head checksum. */
export function newerVersionAt(bytes: Buffer, offset: number): number | undefined {
  if (bytes.length - offset < headLength) return undefined;
  const version = bytes[offset + at.version]!;
  return version > formatVersion && isHeadOfVersion(bytes, offset, version) ? version : undefined;
}

function isHeadOfVersion(bytes: Buffer, offset: number, version: number): boolean {
  return (
    bytes.compare(anyVersionMarker, 0, anyVersionMarker.length, offset, offset + anyVersionMarker.length) === 0 &&
    bytes[offset + at.version] === version &&
    bytes.readUInt32LE(offset + at.headChecksum) === crc32(bytes.subarray(offset, offset + at.headChecksum))
  );
}

/** Whether the frame that begins at `offset` is whole and undamaged; `bytes` must reach to its end. */
export function isFrameIntact(bytes: Buffer, offset: number, head: FrameHead): boolean {
  return wholeChecksum(bytes, offset, offset + headLength + head.bodyLength) === head.checksum;
}

/** The options in the body of a header frame that begins at `offset`. */
export function decodeHeaderBody(bytes: Buffer, offset: number, head: FrameHead): unknown {
  return JSON.parse(bytes.toString('utf8', offset + headLength, offset + headLength + head.bodyLength));
}

export function decodeCondition(bytes: Buffer, offset: number, head: FrameHead): AppendCondition | undefined {
  if (head.conditionLength === 0) return undefined;
  return JSON.parse(bytes.toString('utf8', offset + headLength, offset + headLength + head.conditionLength)) as AppendCondition;
}

function wholeChecksum(bytes: Buffer, offset: number, end: number): number {
  const head = crc32(bytes.subarray(offset, offset + at.checksum));
  return crc32(bytes.subarray(offset + headLength, end), head);
}
