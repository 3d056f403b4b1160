/*
 * Goal: a process that stands still in the middle of a save or removal, for as long as it likes, overwrites nothing of what others did meanwhile.
 * Method: it is held up before each of its calls to the disk in turn, while others save and remove; then it goes on.
 */
import { describe, expect, test } from 'vitest';
import { isOpossumError } from '../../src/core/errors.js';
import type { StateStore } from '../../src/core/state-store.js';
import type { Disk } from '../../src/disk/disk.js';
import type { Simulation } from '../../src/testing/simulation/simulation.js';
import { bareMachine, bareState } from '../support/bare-state.js';

const name = 'a/b';

/** Which call to the disk: its number, from 1, or what it and the one before it are. */
type Place = number | ((verb: string, before: string) => boolean);

/** A process that is held up before one call to the disk, and goes on when it is told to. */
class Stalling {
  readonly state: StateStore;
  /** Resolves when it stands still. */
  readonly stalled: Promise<void>;
  goOn: () => void = () => undefined;

  constructor(simulation: Simulation, title: string, place: Place) {
    const process = simulation.start(title);
    let stalls = (): void => undefined;
    this.stalled = new Promise((resolve) => (stalls = resolve));
    const gate = new Promise<void>((resolve) => (this.goOn = resolve));
    let calls = 0;
    let before = '';
    const isPlace = (verb: string): boolean => (typeof place === 'number' ? ++calls === place : ++calls > 0 && place(verb, before));
    const held = Object.fromEntries(
      Object.entries(process.ports.disk as unknown as Record<string, (...args: unknown[]) => unknown>).map(([verb, call]) => [
        verb,
        async (...args: unknown[]): Promise<unknown> => {
          if (isPlace(verb)) {
            stalls();
            await gate;
          }
          before = verb;
          return call(...args);
        },
      ]),
    ) as unknown as Disk;
    this.state = bareState(process, held);
  }
}

/** `numbers` is from where a state that is removed and made anew goes on, since a sibling had as many versions before. */
async function machine(numbers = 0): Promise<{ simulation: Simulation; other: StateStore }> {
  const simulation = await bareMachine(1);
  const other = bareState(simulation.start('other'));
  await other.save(name, 'first');
  await other.save(name, 'second');
  for (let i = 1; i < numbers; i++) await other.save('a/sibling', i);
  await other.remove('a/sibling');
  return { simulation, other };
}

/** Whether it was done; false when it lost. */
function outcome(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    (error: unknown) => {
      if (isOpossumError(error, 'STATE_CONFLICT')) return false;
      throw error;
    },
  );
}

/** What others do meanwhile; `=` is a save, `-` a removal. */
const meanwhile = ['=', '==', '===', '====', '-=', '-===', '=-', '=-=', '=-=-=', '=-==='];

/** Returns the value that they leave. `taken` is the highest number that was given before: none may be given again. */
async function act(state: StateStore, steps: string, taken: number): Promise<string | undefined> {
  let last: string | undefined;
  for (const [i, step] of [...steps].entries()) {
    if (step === '=') {
      const version = await state.save(name, (last = `${steps} ${i}`));
      expect(version).toBeGreaterThan(taken);
      taken = version;
    } else {
      await state.remove(name);
      last = undefined;
    }
  }
  return last;
}

describe.each([
  { title: 'a save', isThere: true, begin: (state: StateStore) => state.save(name, 'late', { expected: 2 }) },
  { title: 'a removal', isThere: true, begin: (state: StateStore) => state.remove(name, { expected: 2 }) },
  { title: 'a save after a removal', isThere: false, begin: (state: StateStore) => state.save(name, 'late', { expected: 0 }) },
])('$title that stands still', ({ isThere, begin }) => {
  // One that expects nothing may win when nothing is there again.
  test.each(meanwhile.filter((steps) => isThere || !steps.endsWith('-')))('while others do %s', async (steps) => {
    let refusals = 0;
    for (let stallAt = 1, ended = false; !ended; stallAt++) {
      const { simulation, other } = await machine();
      if (!isThere) await other.remove(name);
      const late = new Stalling(simulation, 'late', stallAt);
      const result = outcome(begin(late.state));
      ended = await Promise.race([result.then(() => true), late.stalled.then(() => false)]);
      if (ended) break;
      const isDone = (await other.load(name))?.value !== (isThere ? 'second' : undefined);
      const last = await act(other, steps, (isThere ? 2 : 3) + (isDone ? 1 : 0));
      late.goOn();
      expect(await result, `held up before call ${stallAt}`).toBe(isDone);
      if (!isDone) refusals++;
      expect((await other.load(name))?.value, `held up before call ${stallAt}`).toBe(last);
    }
    expect(refusals).toBeGreaterThan(0);
  });
});

describe('one that saves behind a removal, and one that begins anew, do not both win', () => {
  /** The removal is decided; who saves behind it is about to; then the remover clears up, and another saves where nothing is any more. */
  async function race(numbers: number, remover: Place, saver: Place, anew: Place): Promise<{ ended: { remover: boolean; saver: boolean; anew: boolean } }> {
    const { simulation, other } = await machine(numbers);
    const processes = { remover: new Stalling(simulation, 'remover', remover), saver: new Stalling(simulation, 'saver', saver), anew: new Stalling(simulation, 'anew', anew) };
    const endsBeforeStall = (work: Promise<boolean>, { stalled }: Stalling): Promise<boolean> => Promise.race([work.then(() => true), stalled.then(() => false)]);

    const removal = outcome(processes.remover.state.remove(name));
    const removerEnded = await endsBeforeStall(removal, processes.remover);
    const behind = outcome(processes.saver.state.save(name, 'behind', { expected: 0 }));
    const saverEnded = await endsBeforeStall(behind, processes.saver);
    processes.remover.goOn();
    expect(await removal).toBe(true);
    const begun = outcome(processes.anew.state.save(name, 'anew', { expected: 0 }));
    const anewEnded = await endsBeforeStall(begun, processes.anew);
    processes.saver.goOn();
    const winners = (await behind) ? ['behind'] : [];
    processes.anew.goOn();
    if (await begun) winners.push('anew');
    // Before the removal was decided the saver is refused; after it one of the two wins.
    expect(winners).toHaveLength(1);
    expect((await other.load(name))?.value).toBe(winners[0]);
    return { ended: { remover: removerEnded, saver: saverEnded, anew: anewEnded } };
  }

  test('wherever the remover and the first saver stand still', async () => {
    let rounds = 0;
    for (let remover = 1, removerEnded = false; !removerEnded; remover++) {
      for (let saver = 1, saverEnded = false; !saverEnded; saver++) {
        const { ended } = await race(9, remover, saver, Infinity);
        removerEnded = ended.remover;
        saverEnded = ended.saver;
        rounds++;
      }
    }
    expect(rounds).toBeGreaterThan(100);
  });

  test.each([0, 9])('wherever the second saver stands still, when a sibling had %i versions', async (numbers) => {
    let rounds = 0;
    for (let anewEnded = false; !anewEnded; rounds++) {
      anewEnded = (await race(numbers, (_, before) => before === 'link', (verb) => verb === 'link', rounds + 1)).ended.anew;
    }
    expect(rounds).toBeGreaterThan(8);
  });
});
