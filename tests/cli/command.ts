import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const main = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
if (!fs.existsSync(main)) throw new Error('dist/cli/main.js is missing: run "npm run build" first.');

export type Result = { code: number | null; stdout: string; stderr: string };

/** A command that runs: its output so far, and its end. */
export class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Result>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: Record<string, string> = {}, user: { uid?: number; gid?: number } = {}) {
    const { OPOSSUM_DIR: _, NO_COLOR: __, ...inherited } = process.env;
    this.process = spawn(process.execPath, [main, ...args], { env: { ...inherited, ...env }, ...user });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    // A command may end without having read all that it was given.
    this.process.stdin!.on('error', () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.process.on('error', reject);
      // 'close' comes when every process that inherited the streams has ended, not only this one.
      this.process.on('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Resolves when standard output or error holds `text`; rejects when the command ends without it. */
  async shows(text: string): Promise<void> {
    const has = (): boolean => this.stdout.includes(text) || this.stderr.includes(text);
    await new Promise<void>((resolve, reject) => {
      const look = (): void => void (has() && resolve());
      this.process.stdout!.on('data', look);
      this.process.stderr!.on('data', look);
      void this.ended.then((result) => (has() ? resolve() : reject(new Error(`ended without ${JSON.stringify(text)}: ${JSON.stringify(result)}`))));
      look();
    });
  }
}

/** Runs the built command as a user who may do nothing in particular, which must be another one where root runs the tests. */
export async function opossumAsAnybody(args: readonly string[]): Promise<Result> {
  const isRoot = process.getuid?.() === 0;
  const running = new Running(args, {}, isRoot ? { uid: 65_534, gid: 65_534 } : {});
  running.process.stdin!.end();
  return running.ended;
}

/** Runs the built command with its standard output on a disk that is full: no file may get larger than `blocks` of 512 bytes or 1 kB, as the shell counts. */
export async function opossumOnFullDisk(args: readonly string[], { output, blocks }: { output: string; blocks: number }): Promise<Result> {
  const shell = spawn('sh', ['-c', `ulimit -f ${blocks}; exec "$0" "$@" >> ${output}`, process.execPath, main, ...args]);
  let stderr = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  shell.stdin.end();
  return new Promise((resolve, reject) => {
    shell.on('error', reject);
    shell.on('close', (code) => resolve({ code, stdout: '', stderr }));
  });
}

/** Runs the built command to its end. */
export async function opossum(args: readonly string[], { input = '', env }: { input?: string; env?: Record<string, string> } = {}): Promise<Result> {
  const running = new Running(args, env);
  running.process.stdin!.end(input);
  return running.ended;
}

export const ndjson = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export const parsed = (stdout: string): Record<string, unknown>[] => stdout.split('\n').filter(Boolean).map((row) => JSON.parse(row) as Record<string, unknown>);
