import { styleText } from 'node:util';
import { exitCodes, Interrupted, OutputClosed, type ExitCode } from './exit-codes.js';

type Style = Parameters<typeof styleText>[0];

/** One of the standard streams. */
export class Output {
  readonly #stream: NodeJS.WriteStream;
  readonly #coloured: boolean;
  #closed = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#coloured = stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
    // Without a listener, a reader that goes away (`| head`) would end the process with a stack trace.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#closed = true;
    });
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
    if (this.#closed) throw new OutputClosed();
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (!error) resolve();
        else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new OutputClosed() : error);
      });
    });
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`);
  }
}

/** What a command talks to. */
export class Terminal {
  /** Data. */
  readonly out = new Output(process.stdout);
  /** Everything else. */
  readonly err = new Output(process.stderr);
  /** What a command that ran to its end found, when that is not simply well. */
  exitCode: ExitCode = exitCodes.ok;
  #interrupt: AbortController | undefined;

  /** Aborts with `Interrupted` on Ctrl-C; a second Ctrl-C ends the process at once. From the first call on. */
  interruptible(): AbortSignal {
    if (!this.#interrupt) {
      const interrupt = new AbortController();
      process.on('SIGINT', () => {
        if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
        interrupt.abort(new Interrupted());
      });
      this.#interrupt = interrupt;
    }
    return this.#interrupt.signal;
  }
}
