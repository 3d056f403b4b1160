/*
 * One event as a file that people and other tools can read, and from which a lost ledger can be rebuilt: so it also says
 * which batch it belongs to, and the batch's first file repeats the append condition. A checksum covers all of it.
 */
import { crc32 } from 'node:zlib';
import type { AppendCondition } from '../core/condition.js';
import type { SequencedEvent } from '../core/event.js';
import type { StoredBatch } from '../core/stored.js';
import { timeText } from '../core/time-text.js';

export type EventFileFormat = 'json' | 'msgpack';

/** What an event file holds. */
export type EventFileContent = SequencedEvent & {
  readonly batch: {
    /** Position of the batch's first event. */
    readonly first: number;
    readonly count: number;
    /** When the batch was written, RFC 3339. */
    readonly time: string;
    /** Only in the batch's first file, and only when there was one. */
    readonly condition?: AppendCondition;
  };
};

/** The file of the event at `index` of a batch. */
export function eventFileContent(batch: StoredBatch, index: number): EventFileContent {
  const place = { first: batch.first, count: batch.count, time: timeText(batch.time) };
  const condition = index === 0 ? batch.condition : undefined;
  return { ...batch.event(index), batch: condition === undefined ? place : { ...place, condition } };
}

/** How event files of one format are written and read. */
export type EventFileCodec = {
  readonly format: EventFileFormat;
  encode(content: EventFileContent): Buffer;
  /** Undefined when the bytes are not a whole, undamaged event file. */
  decode(bytes: Buffer): EventFileContent | undefined;
};

/** Loads what the format needs; JSON needs nothing. */
export async function openEventFileCodec(format: EventFileFormat): Promise<EventFileCodec> {
  return format === 'json' ? jsonCodec : msgpackCodec(await import('../core/msgpack.js'));
}

const checksumKey = ',\n  "checksum": "';

/** Indented JSON whose last member is the checksum of the bytes before that member. */
const jsonCodec: EventFileCodec = {
  format: 'json',
  encode(content) {
    const covered = JSON.stringify(content, null, 2).slice(0, -2);
    return Buffer.from(`${covered}${checksumKey}${hex(crc32(covered))}"\n}\n`);
  },
  decode(bytes) {
    const text = bytes.toString('utf8');
    const end = text.lastIndexOf(checksumKey);
    if (end < 0) return undefined;
    const covered = text.slice(0, end);
    if (text.slice(end) !== `${checksumKey}${hex(crc32(covered))}"\n}\n`) return undefined;
    return JSON.parse(`${covered}}`) as EventFileContent;
  },
};

/** Two msgpack values: the content, and the checksum of its bytes as a 32-bit number. */
function msgpackCodec({ pack, unpack }: typeof import('../core/msgpack.js')): EventFileCodec {
  return {
    format: 'msgpack',
    encode(content) {
      const packed = pack(content);
      const bytes = Buffer.allocUnsafe(packed.length + 5);
      bytes.set(packed, 0);
      bytes[packed.length] = 0xce;
      bytes.writeUInt32BE(crc32(packed), packed.length + 1);
      return bytes;
    },
    decode(bytes) {
      const end = bytes.length - 5;
      if (end < 1 || bytes[end] !== 0xce || bytes.readUInt32BE(end + 1) !== crc32(bytes.subarray(0, end))) return undefined;
      return unpack(bytes, 0, end) as EventFileContent;
    },
  };
}

const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0');
