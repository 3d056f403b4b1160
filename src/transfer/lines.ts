import { isUtf8 } from 'node:buffer';
import { InvalidInputError } from '../core/errors.js';
import { limits } from '../core/limits.js';

export type Line = { readonly text: string; readonly number: number; readonly bytes: number };

/** Longer lines cannot hold an event that the store takes, even when every character of it is escaped. */
const lineBytesMax = 6 * limits.eventBytes;

/** Lines that are not blank, numbered from 1. `nameLine` words a line number for messages. */
export async function* readLines(chunks: AsyncIterable<Buffer>, nameLine: (line: number) => string): AsyncGenerator<Line> {
  let pieces: Buffer[] = [];
  let length = 0;
  let number = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      const line = toLine(pieces, ++number, nameLine);
      pieces = [];
      length = 0;
      start = end + 1;
      if (line) yield line;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > lineBytesMax) throw new InvalidInputError(nameLine(number + 1), `is longer than ${lineBytesMax} bytes. Is this NDJSON, one event a line?`);
  }
  if (length > 0) {
    const line = toLine(pieces, ++number, nameLine);
    if (line) yield line;
  }
}

function toLine(pieces: readonly Buffer[], number: number, nameLine: (line: number) => string): Line | undefined {
  const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  // Checked here, because decoding would put U+FFFD in place of what it cannot read.
  if (!isUtf8(bytes)) throw new InvalidInputError(nameLine(number), 'is not UTF-8. Convert the file first.');
  const text = bytes.toString('utf8', number === 1 && hasByteOrderMark(bytes) ? 3 : 0).trim();
  return text === '' ? undefined : { text, number, bytes: bytes.length };
}

export function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
