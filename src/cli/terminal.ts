import fs from 'node:fs';
import { styleText } from 'node:util';
import { CommandError, endingSignals, exitCodes, Interrupted, OutputClosed, type ExitCode } from './exit-codes.js';

type Style = Parameters<typeof styleText>[0];

/** One of the standard streams. */
export class Output {
  readonly #stream: NodeJS.WriteStream;
  readonly #coloured: boolean;
  /** Its descriptor, where it is a file. */
  readonly #file: number | undefined;
  #failure: NodeJS.ErrnoException | undefined;

  constructor(stream: NodeJS.WriteStream & { readonly fd?: number }) {
    this.#stream = stream;
    this.#coloured = stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
    this.#file = stream.fd !== undefined && fs.fstatSync(stream.fd).isFile() ? stream.fd : undefined;
    // Without a listener, a reader that goes away (`| head`) or a full disk would end the process with a stack trace.
    stream.on('error', (error: NodeJS.ErrnoException) => (this.#failure ??= error));
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Width in characters; undefined where lines need not fit. */
  get columns(): number | undefined {
    return this.isTerminal ? this.#stream.columns : undefined;
  }

  get stream(): NodeJS.WriteStream {
    return this.#stream;
  }

  style(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Resolves when the text is taken, so that a slow reader slows the command down. */
  async write(text: string): Promise<void> {
    try {
      if (this.#failure) throw this.#failure;
      // Node's stream takes a short write to a file, as to a disk that is nearly full, for a whole one.
      if (this.#file !== undefined) fs.writeFileSync(this.#file, Buffer.from(text));
      else await new Promise<void>((resolve, reject) => this.#stream.write(text, (error) => (error ? reject(error) : resolve())));
    } catch (error) {
      throw asOutputError(error as NodeJS.ErrnoException);
    }
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** Tells the result of something that was done: when it cannot be told, the error says `done`, so that nobody does it again. */
  async result(line: string, done: string): Promise<void> {
    try {
      await this.line(line);
    } catch (error) {
      throw error instanceof CommandError ? new CommandError(error.exitCode, `${error.message}. ${done}`, error.cause) : error;
    }
  }
}

/** What is said beside the data: when it cannot be told, what was done is still done. */
class Remarks extends Output {
  override async write(text: string): Promise<void> {
    await super.write(text).catch(() => undefined);
  }
}

function asOutputError(error: NodeJS.ErrnoException): Error {
  if (error.code === 'EPIPE') return new OutputClosed();
  return new CommandError(exitCodes.unexpected, `cannot write to standard output (${error.message.replace(/, write$/, '')})`, error);
}

/** What a command talks to. */
export class Terminal {
  /** Data. */
  readonly out = new Output(process.stdout);
  #err: Output | undefined;
  /** What a command that ran to its end found, when that is not simply well. */
  exitCode: ExitCode = exitCodes.ok;
  /** What to say when the command is interrupted: how things stand, and how to go on. */
  afterInterrupt: string | undefined;
  #interrupt: AbortController | undefined;

  /** Everything else. */
  get err(): Output {
    return (this.#err ??= new Remarks(process.stderr));
  }

  /** Aborts with `Interrupted` on Ctrl-C, SIGTERM and SIGHUP; a second signal ends the process at once. From the first call on. */
  interruptible(afterInterrupt?: string): AbortSignal {
    this.afterInterrupt = afterInterrupt;
    this.#interrupt ??= abortOnSignals();
    return this.#interrupt.signal;
  }
}

function abortOnSignals(): AbortController {
  const interrupt = new AbortController();
  for (const [signal, exitCode] of Object.entries(endingSignals)) {
    process.on(signal, () => {
      if (interrupt.signal.aborted) process.exit(exitCode);
      interrupt.abort(new Interrupted(signal as keyof typeof endingSignals));
    });
  }
  return interrupt;
}
