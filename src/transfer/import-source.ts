import { InvalidInputError } from '../core/errors.js';
import { describe } from '../core/json.js';

/** Text or UTF-8 bytes to import: the text itself, or pieces of it as a Node stream, a web stream or any iterable gives them. */
export type ImportSource = string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** The bytes of a source, with a look ahead at the first of them. */
export class ImportInput {
  readonly #chunks: AsyncGenerator<Buffer>;
  #ahead: Buffer | undefined;
  /** How many bytes were taken from the source. */
  bytes = 0;

  constructor(source: ImportSource, signal: AbortSignal | undefined) {
    this.#chunks = untilAborted(toIterable(source), signal);
  }

  /** The first bytes, until they are `enough` or the source ends. They are still handed out by `chunks`. */
  async peek(enough: (beginning: Buffer) => boolean): Promise<Buffer> {
    let beginning: Buffer = Buffer.alloc(0);
    while (!enough(beginning)) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      beginning = Buffer.concat([beginning, value]);
    }
    this.#ahead = beginning;
    return beginning;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    try {
      if (this.#ahead) {
        this.bytes += this.#ahead.length;
        yield this.#ahead;
      }
      for await (const chunk of this.#chunks) {
        this.bytes += chunk.length;
        yield chunk;
      }
    } finally {
      await this.#chunks.return(undefined);
    }
  }
}

function toIterable(source: ImportSource): Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> {
  if (typeof source === 'string') return [source];
  if (typeof source === 'object' && source !== null && (Symbol.asyncIterator in source || Symbol.iterator in source)) return source;
  throw new InvalidInputError('source', `is ${describe(source)}; it must be text, a stream or an iterable of text or bytes.`);
}

/** Rejects with `signal.reason` even while the source is silent, such as a terminal that nobody types at. */
async function* untilAborted(
  source: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
  });
  aborted.catch(() => undefined);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await Promise.race([iterator.next(), aborted]);
      if (done) return;
      yield toBuffer(value);
    }
  } finally {
    if (abort) signal?.removeEventListener('abort', abort);
    // Not awaited: a generator answers only after its pending read, which an abort must not wait for.
    Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

function toBuffer(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new InvalidInputError('source', `gave ${describe(chunk)}; its pieces must be text or bytes.`);
}
