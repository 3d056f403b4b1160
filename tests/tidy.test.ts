/*
 * Rules about the code base that a reviewer would otherwise have to remember: which rooms may use which, where the outside
 * world enters, and that the lists which must agree do agree.
 */
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import * as publicSurface from '../src/index.js';

const root = path.resolve(import.meta.dirname, '..');
const sources = (fs.readdirSync(path.join(root, 'src'), { recursive: true }) as string[])
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name: name.split(path.sep).join('/'), text: fs.readFileSync(path.join(root, 'src', name), 'utf8') }));

const roomOf = (name: string): string => (name.includes('/') ? name.split('/')[0]! : name);
const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
const importsOf = (text: string): string[] => ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
const packageOf = (target: string): string => target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/');

/** Every breach of a rule, as `file: what`. */
function breaches(rule: (source: (typeof sources)[number]) => readonly string[]): string[] {
  return sources.flatMap((source) => rule(source).map((breach) => `${source.name}: ${breach}`));
}

/** Which rooms each room may use, besides itself. */
const mayUse: Record<string, readonly string[]> = {
  core: [],
  disk: [],
  ledger: ['core', 'disk'],
  locking: ['core', 'disk'],
  state: ['core', 'disk', 'locking'],
  eventfiles: ['core', 'disk'],
  indexing: ['core', 'disk'],
  engine: ['core', 'disk', 'ledger', 'locking', 'eventfiles', 'indexing', 'state'],
  memory: ['core'],
  modelling: ['core'],
  consuming: ['core', 'modelling'],
  projecting: ['core', 'modelling'],
  transfer: ['core'],
  cosmos: ['core'],
  testing: ['core', 'disk', 'engine', 'memory', 'modelling'],
  // The engine for opening stores only: the whole library takes twice as long to load.
  cli: ['index.ts', 'engine'],
  'index.ts': ['core', 'engine', 'memory', 'modelling', 'consuming', 'projecting', 'transfer'],
};

/** The one file through which each package enters. */
const packageDoors: Record<string, readonly string[]> = {
  '@azure/cosmos': ['cosmos/sdk.ts'],
  'async-mutex': ['engine/mutex.ts'],
  'cli-progress': ['cli/progress-bar.ts'],
  commander: ['cli/program.ts'],
  'fast-check': ['testing/explore/fast-check.ts'],
  'fast-glob': ['disk/find-files.ts'],
  msgpackr: ['core/msgpack.ts'],
  'proper-lockfile': ['locking/proper-lockfile.ts'],
  zod: ['transfer/schemas.ts'],
};

describe('rooms', () => {
  test('are all known to the table', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(breaches(({ name }) => (roomOf(name) in mayUse ? [] : ['is in no room that the table knows']))).toEqual([]);
  });

  test('use only the rooms that they may', () => {
    const found = breaches(({ name, text }) =>
      importsOf(text)
        .filter((target) => target.startsWith('.'))
        .map((target) => roomOf(path.posix.join(path.posix.dirname(name), target).replace(/\.js$/, '.ts')))
        .filter((room) => room !== roomOf(name) && !mayUse[roomOf(name)]!.includes(room)),
    );
    expect(found).toEqual([]);
  });
});

describe('upkeep', () => {
  test('stands on the engine, and the engine does not know it', () => {
    const isUpkeep = (name: string): boolean => name.startsWith('engine/upkeep/');
    const found = breaches(({ name, text }) =>
      roomOf(name) !== 'engine' || isUpkeep(name)
        ? []
        : importsOf(text).filter((target) => isUpkeep(path.posix.join(path.posix.dirname(name), target))),
    );
    expect(found).toEqual([]);
  });
});

describe('the outside world', () => {
  test('enters each package through one door', () => {
    const found = breaches(({ name, text }) =>
      importsOf(text)
        .filter((target) => !target.startsWith('.') && !target.startsWith('node:'))
        .map(packageOf)
        .filter((one) => !(packageDoors[one] ?? []).includes(name)),
    );
    expect(found).toEqual([]);
  });

  test('is a file system only in disk and cli, a console only in cli, a clock or randomness only behind their ports', () => {
    const found = breaches(({ name, text }) => {
      const room = roomOf(name);
      const code = withoutComments(text);
      const outside = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bsetTimeout\(|\bsetInterval\(|\brandomUUID\b|\brandomBytes\b/;
      const isDoor = room === 'disk' || room === 'cli' || name === 'core/defaults.ts' || name === 'testing/explore/virtual-time.ts';
      return [
        ...(room === 'disk' || room === 'cli' ? [] : importsOf(text).filter((target) => /^node:(fs|timers)/.test(target))),
        ...(room !== 'cli' && /\bconsole\./.test(code) ? ['console'] : []),
        ...(isDoor ? [] : (outside.exec(code) ?? [])),
      ];
    });
    expect(found).toEqual([]);
  });
});

describe('tests', () => {
  test('in every folder are part of what vitest runs', () => {
    const folders = (fs.readdirSync(path.join(root, 'tests'), { recursive: true }) as string[]).filter((name) => name.endsWith('.test.ts') && name.includes(path.sep)).map((name) => name.split(path.sep)[0]!);
    const config = fs.readFileSync(path.join(root, 'vitest.config.ts'), 'utf8');
    expect([...new Set(folders)].filter((folder) => !config.includes(`'${folder}'`))).toEqual([]);
  });
});

describe('files', () => {
  test('have no default exports', () => {
    expect(breaches(({ text }) => (/^export default/m.test(withoutComments(text)) ? ['export default'] : []))).toEqual([]);
  });

  test('can be held in the head', () => {
    expect(breaches(({ text }) => (text.split('\n').length > 350 ? [`${text.split('\n').length} lines`] : []))).toEqual([]);
  });
});

describe('lists that must agree', () => {
  const errorsSource = fs.readFileSync(path.join(root, 'src/core/errors.ts'), 'utf8');
  const codes = [...errorsSource.slice(0, errorsSource.indexOf('ErrorDetails')).matchAll(/\| '([A-Z_]+)'/g)].map((match) => match[1]!);

  test('every error code has a class, and docs/errors.md explains exactly these', () => {
    const documented = [...fs.readFileSync(path.join(root, 'docs/errors.md'), 'utf8').matchAll(/^## `([A-Z_]+)`/gm)].map((match) => match[1]!);
    const thrown = [...errorsSource.matchAll(/override readonly code = '([A-Z_]+)'/g)].map((match) => match[1]!);
    expect(codes).toHaveLength(15);
    expect([...documented].sort()).toEqual([...codes].sort());
    expect([...thrown].sort()).toEqual([...codes].sort());
  });

  test('the public surface is what it is meant to be', () => {
    expect(Object.keys(publicSurface).sort()).toEqual([
      'AppendConditionFailedError',
      'CheckpointMismatchError',
      'DecisionConflictError',
      'EventIdConflictError',
      'InvalidInputError',
      'LedgerCorruptError',
      'LockTimeoutError',
      'OpossumError',
      'PositionAheadError',
      'ProjectionFailedError',
      'StateConflictError',
      'StateDamagedError',
      'StorageFailedError',
      'StoreClosedError',
      'UnsupportedFormatError',
      'WrongExpectedVersionError',
      'backupContext',
      'causedBy',
      'command',
      'commands',
      'consume',
      'copyStore',
      'deadLetters',
      'decide',
      'decisionModel',
      'defineEvent',
      'deleteContext',
      'discardDeadLetters',
      'doctorContext',
      'exportEvents',
      'importEvents',
      'isOpossumError',
      'listContexts',
      'matchesQuery',
      'mergeQueries',
      'openMemoryStore',
      'openProjection',
      'openStore',
      'parseEvents',
      'projection',
      'query',
      'reject',
      'repairContext',
      'replayDeadLetters',
      'repository',
      'resetConsumer',
      'storeStats',
      'stream',
      'tag',
      'upcast',
      'verifyContext',
      'withContext',
    ]);
  });
});
