/* cli-progress enters here. */
import type { Terminal } from './terminal.js';
import { number } from './text.js';

export type ProgressBar = {
  /** `done` counts up to the total; `note` says what is worth knowing meanwhile. */
  update(done: number, note: string): void;
  stop(): void;
};

/**
 * Shows how far a command is: a bar on a terminal, otherwise a plain line every `lineEveryMs` milliseconds; on standard error.
 * `total` may be unknown.
 */
export async function startProgress({ err }: Terminal, label: string, total: number | undefined, lineEveryMs = 5000): Promise<ProgressBar> {
  if (err.isTerminal && total !== undefined) return startBar(err.stream, label, total);
  let shownAt = performance.now();
  return {
    update(done, note) {
      const now = performance.now();
      if (now - shownAt < lineEveryMs) return;
      shownAt = now;
      const share = total ? `${number(Math.min(99, (done / total) * 100))} %, ` : '';
      void err.line(`${label}: ${share}${note}`).catch(() => undefined);
    },
    stop: () => undefined,
  };
}

async function startBar(stream: NodeJS.WritableStream, label: string, total: number): Promise<ProgressBar> {
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    stream,
    format: `${label} [{bar}] {percentage} %  {note}`,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 30,
    fps: 10,
    clearOnComplete: true,
    hideCursor: null,
    linewrap: null,
    gracefulExit: false,
  });
  bar.start(Math.max(1, total), 0, { note: '' });
  return {
    update: (done, note) => bar.update(Math.min(done, total), { note }),
    // Stopping twice would wipe what was written below it meanwhile.
    stop: () => void (bar.isActive && bar.stop()),
  };
}
