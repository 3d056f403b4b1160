/*
 * Rules about the code base that a reviewer would otherwise have to remember: which rooms may use which, where the outside
 * world enters, and that the lists which must agree do agree.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import * as publicSurface from '../src/index.js';

const root = path.resolve(import.meta.dirname, '..');
const sources = (fs.readdirSync(path.join(root, 'src'), { recursive: true }) as string[])
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name: name.split(path.sep).join('/'), text: fs.readFileSync(path.join(root, 'src', name), 'utf8') }));

const roomOf = (name: string): string => (name.includes('/') ? name.split('/')[0]! : name);
const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
const importsOf = (text: string): string[] => [...withoutComments(text).matchAll(/(?:from|import|import\()\s*'([^']+)'/g)].map((match) => match[1]!);

/** Which rooms each room may use, besides itself. */
const mayUse: Record<string, readonly string[]> = {
  core: [],
  disk: [],
  ledger: ['core', 'disk'],
  locking: ['core', 'disk'],
  eventfiles: ['core', 'disk'],
  indexing: ['core', 'disk'],
  engine: ['core', 'disk', 'ledger', 'locking', 'eventfiles', 'indexing'],
  memory: ['core'],
  transfer: ['core'],
  testing: ['core', 'disk', 'engine', 'memory'],
  cli: ['index.ts'],
  'index.ts': ['core', 'engine', 'memory', 'transfer'],
};

/** The one file through which each package enters. */
const packageDoors: Record<string, readonly string[]> = {
  'async-mutex': ['engine/commit-path.ts', 'engine/ledger-view.ts'],
  'cli-progress': ['cli/progress-bar.ts'],
  commander: ['cli/program.ts'],
  'fast-glob': ['disk/find-files.ts'],
  msgpackr: ['core/msgpack.ts'],
  'proper-lockfile': ['locking/proper-lockfile.ts'],
  zod: ['transfer/schemas.ts'],
};

describe('rooms', () => {
  test('are all known to the table', () => {
    expect(sources.map(({ name }) => roomOf(name)).filter((room) => !(room in mayUse))).toEqual([]);
  });

  test.each(sources)('$name uses only the rooms that it may', ({ name, text }) => {
    const room = roomOf(name);
    const used = importsOf(text)
      .filter((target) => target.startsWith('.'))
      .map((target) => path.posix.join(path.posix.dirname(name), target).replace(/\.js$/, '.ts'));
    for (const target of used) expect([room, ...mayUse[room]!], `imports ${target}`).toContain(roomOf(target));
  });
});

describe('the outside world', () => {
  test.each(sources)('enters $name only where it may', ({ name, text }) => {
    const code = withoutComments(text);
    const room = roomOf(name);
    for (const target of importsOf(text).filter((one) => !one.startsWith('.') && !one.startsWith('node:'))) {
      const packageName = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!;
      expect(packageDoors[packageName], `${packageName} has no door`).toContain(name);
    }
    if (room !== 'disk' && room !== 'cli') expect(importsOf(text).filter((target) => /^node:(fs|timers)/.test(target))).toEqual([]);
    if (room !== 'cli') expect(code).not.toMatch(/\bconsole\./);
    if (room !== 'disk' && room !== 'cli' && name !== 'core/defaults.ts') {
      expect(code).not.toMatch(/\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bsetTimeout\(|\bsetInterval\(|\brandomUUID\b|\brandomBytes\b/);
    }
  });

  test.each(sources)('$name has no default export', ({ text }) => {
    expect(withoutComments(text)).not.toMatch(/^export default/m);
  });

  test.each(sources)('$name can be held in the head', ({ text }) => {
    expect(text.split('\n').length).toBeLessThanOrEqual(400);
  });
});

describe('lists that must agree', () => {
  const errorsSource = fs.readFileSync(path.join(root, 'src/core/errors.ts'), 'utf8');
  const codes = [...errorsSource.slice(0, errorsSource.indexOf('ErrorDetails')).matchAll(/\| '([A-Z_]+)'/g)].map((match) => match[1]!);

  test('every error code has a class, and docs/errors.md explains exactly these', () => {
    const documented = [...fs.readFileSync(path.join(root, 'docs/errors.md'), 'utf8').matchAll(/^## `([A-Z_]+)`/gm)].map((match) => match[1]!);
    const thrown = [...errorsSource.matchAll(/override readonly code = '([A-Z_]+)'/g)].map((match) => match[1]!);
    expect(codes).toHaveLength(9);
    expect([...documented].sort()).toEqual([...codes].sort());
    expect([...thrown].sort()).toEqual([...codes].sort());
  });

  test('the public surface is what it is meant to be', () => {
    expect(Object.keys(publicSurface).sort()).toEqual([
      'AppendConditionFailedError',
      'EventIdConflictError',
      'InvalidInputError',
      'LedgerCorruptError',
      'LockTimeoutError',
      'OpossumError',
      'PositionAheadError',
      'StorageFailedError',
      'StoreClosedError',
      'UnsupportedFormatError',
      'deleteContext',
      'exportEvents',
      'importEvents',
      'isOpossumError',
      'listContexts',
      'matchesQuery',
      'openMemoryStore',
      'openStore',
      'storeStats',
      'verifyContext',
    ]);
  });
});
