/*
 * Goal: however much is damaged at once, repair never gives an event another content or place, and never loses one of which
 * a copy is left without saying so.
 * Method: fast-check damages ledger, event files and checkpoint of a small store at random, with scars and late frames in
 * the ledger; what comes back is compared with the store before.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { craftLedger, type Part } from '../support/crafted-ledger.js';
import { filesOf, inFolder, quickDiskWith, readAll, repair, verify, type Files } from '../support/damaged-store.js';
import type { SequencedEvent } from '../../src/index.js';

type Damage =
  | { readonly kind: 'flip'; readonly file: number; readonly at: number; readonly bit: number }
  | { readonly kind: 'zero'; readonly file: number; readonly at: number; readonly length: number }
  | { readonly kind: 'cut'; readonly file: number; readonly at: number }
  | { readonly kind: 'remove'; readonly file: number };

const event = (type: string, data: string): Part['events'][number] => ({ type, data, tags: ['t:1'] });
const parts: readonly Part[] = [
  { events: [event('One', 'a')], fate: 'counts' },
  { events: [event('Torn', 'b'), event('Torn', 'c')], fate: 'torn' },
  { events: [event('Late', 'd')], fate: 'late' },
  { events: [event('Two', 'e'), event('Three', 'f'), event('Four', 'g')], condition: { failIfEventsMatch: 'all', after: 1 }, fate: 'counts' },
  { events: [event('Late', 'h'), event('Late', 'i')], fate: 'late' },
  { events: [event('Five', 'j')], fate: 'counts' },
  { events: [event('Six', 'k'), event('Seven', 'l')], fate: 'counts' },
  { events: [event('Torn', 'm')], fate: 'torn' },
];

const file = fc.nat(12);
const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
// The ledger is hit as often as all other files together.
const target = fc.oneof(fc.constant(0), file);
const damages = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), file: target, at, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('zero' as const), file: target, at, length: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ kind: fc.constant('cut' as const), file: target, at }),
    fc.record({ kind: fc.constant('remove' as const), file: target }),
  ),
  { minLength: 1, maxLength: 6 },
);

function damage(files: Files, list: readonly Damage[]): Files {
  const names = [...files.keys()].sort((a, b) => Number(b.endsWith('/ledger')) - Number(a.endsWith('/ledger')));
  const left = new Map(files);
  for (const one of list) {
    const name = names[one.file % names.length]!;
    const bytes = left.get(name);
    if (!bytes) continue;
    const changed = Buffer.from(bytes);
    const offset = one.kind === 'remove' ? 0 : Math.floor(one.at * bytes.length);
    if (one.kind === 'flip' && bytes.length > 0) changed[offset]! ^= 1 << one.bit;
    if (one.kind === 'zero') changed.fill(0, offset, Math.min(bytes.length, offset + one.length));
    if (one.kind === 'remove') left.delete(name);
    else left.set(name, one.kind === 'cut' ? changed.subarray(0, offset) : changed);
  }
  return left;
}

/** The store before anything was damaged, with all its event files. */
async function soundStore(eventFiles: 'json' | 'none'): Promise<{ files: Files; events: SequencedEvent[] }> {
  const { disk, process } = await quickDiskWith(craftLedger(eventFiles, parts).files);
  expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 7 });
  return { files: filesOf(disk), events: await readAll(process) };
}

describe.each(['json', 'none'] as const)('with event files "%s"', (eventFiles) => {
  let sound: Awaited<ReturnType<typeof soundStore>>;
  beforeAll(async () => {
    sound = await soundStore(eventFiles);
  });

  test('any damage is healed or told', async () => {
    await fc.assert(
      fc.asyncProperty(damages, async (list) => {
        const broken = damage(sound.files, list);
        const { disk, process } = await quickDiskWith(broken);
        const foreseen = await repair(process, { acceptLoss: true }).catch((error: unknown) => error);
        expect(disk.files()).toEqual(broken);
        const report = await repair(process, { apply: true, acceptLoss: true }).catch((error: unknown) => error as { code: string });
        if ('code' in report) {
          // Without ledger, files and checkpoint nothing tells that there was a store.
          expect(['INVALID_INPUT', 'LEDGER_CORRUPT']).toContain(report.code);
          return;
        }
        expect(report.ok).toBe(true);
        expect(foreseen).toMatchObject({ head: report.head, lost: report.lost });
        const lost = (position: number): boolean => report.lost.some(({ first, last }) => first <= position && position <= last);
        const found = report.head === 0 ? [] : await readAll(process);
        expect(found).toHaveLength(report.head);
        for (const [i, one] of found.entries()) {
          if (lost(one.position)) expect(one.type).toBe('opossum.lost');
          else expect(one).toEqual(sound.events[i]);
        }
        // A sound event file or checkpoint is proof enough of its position.
        const copies = [...broken].filter(([name, bytes]) => sound.files.get(name)?.equals(bytes));
        const positions = copies.map(([name]) => Number(/(\d+)\.json$/.exec(name)?.[1] ?? 0));
        for (const position of positions) if (position > 0 && position <= report.head) expect(lost(position), `event ${position}`).toBe(false);
        if (copies.some(([name]) => name === inFolder('checkpoint'))) expect(report.head).toBe(7);
        if (report.head > 0) expect(await verify(process)).toMatchObject({ ok: true });
        else expect(positions.every((position) => position === 0)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
