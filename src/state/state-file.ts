/*
 * What one version of a state's file holds: a line that says whose value this is, and a line with the value. Everything in the
 * first line follows from the file's name and the second line, so a file is right only if it is so to the byte: one that was
 * torn, edited, or copied to another name is damaged.
 */
import { crc32 } from 'node:zlib';
import { StateDamagedError, UnsupportedFormatError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';

const format = 1;

/** The file of version `version`. `text` is the value as JSON; undefined says that the state was removed. */
export function encodeStateFile(name: string, version: number, text: string | undefined): Buffer {
  if (text === undefined) return Buffer.from(`${JSON.stringify({ format, name, version, removed: true })}\n`);
  const value = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${headerOf(name, version, value)}\n`), value, newline]);
}

/** No file of this length or more says that a state was removed. */
export const maxRemovalBytes = 1024;

/** The value; undefined when the file says that the state was removed. @throws StateDamagedError, UnsupportedFormatError */
export function decodeStateFile(bytes: Buffer, name: string, version: number, file: string): JsonValue | undefined {
  if (isRemoval(bytes, name, version)) return undefined;
  const end = bytes.indexOf(newline);
  const header = bytes.subarray(0, Math.max(0, end)).toString('utf8');
  const value = bytes.subarray(end + 1, -1);
  const isWhole = end >= 0 && bytes.length > end + 1 && bytes.at(-1) === newline[0];
  if (isWhole && header === headerOf(name, version, value)) return JSON.parse(value.toString('utf8')) as JsonValue;
  refuseNewer(header, file);
  throw new StateDamagedError(name, `${file} is not as it was written`, { file, version });
}

/** Whether these are the bytes of the file by which that version removed the state. */
export function isRemoval(bytes: Buffer, name: string, version: number): boolean {
  return bytes.length < maxRemovalBytes && bytes.equals(encodeStateFile(name, version, undefined));
}

const newline = Buffer.from('\n');

function headerOf(name: string, version: number, value: Buffer): string {
  return JSON.stringify({ format, name, version, bytes: value.length, crc32: crc32(value).toString(16).padStart(8, '0') });
}

function refuseNewer(header: string, file: string): void {
  let found: unknown;
  try {
    found = (JSON.parse(header) as { format?: unknown } | null)?.format;
  } catch {
    return;
  }
  if (typeof found !== 'number' || !Number.isSafeInteger(found) || found <= format) return;
  throw new UnsupportedFormatError(`${file} has format ${found}; this version of opossum-store reads format ${format}. Upgrade opossum-store to use it.`, { file, format: found });
}
