/*
 * goal: whatever happens to consumers of a name, every matching event is handled at least once or parked, in order within its
 * partition, and no checkpoint passes an event that was neither.
 * method: random events, handler failures, stops, starts, lease losses and failing saves over two consumers of one name on a
 * memory store (fast-check, which prints its seed); every call of the handler and every save is checked as it happens.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { consume, LockTimeoutError, openMemoryStore, type Consumer, type EventStore, type JsonValue, type SequencedEvent } from '../../src/index.js';
import { savedPosition, withCalls, withLosableLeases } from '../support/consuming.js';

type Plan = { partition: number; failures: number; turns: number };
type Step = { kind: 'append'; plans: Plan[] } | { kind: 'toggle'; who: 0 | 1 } | { kind: 'lose' } | { kind: 'turns'; count: number } | { kind: 'wait' } | { kind: 'fail saves'; count: number };

const maxAttempts = 3;
const plan = fc.record({ partition: fc.nat({ max: 3 }), failures: fc.constantFrom(0, 0, 0, 1, 2, 99), turns: fc.nat({ max: 3 }) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), plans: fc.array(plan, { minLength: 1, maxLength: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('toggle' as const), who: fc.constantFrom(0 as const, 1 as const) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'lose' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'wait' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail saves' as const), count: fc.integer({ min: 1, max: 14 }) }) },
);
const ways = fc.oneof(
  fc.record({ batchSize: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ concurrency: fc.integer({ min: 1, max: 4 }) }),
);
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

/** What is known of the events, whoever handled them. */
class Ledger {
  readonly plans = new Map<number, Plan>();
  readonly settled = new Set<number>();
  readonly breaches: string[] = [];
  repetitions = 0;

  matching(upTo: number): number[] {
    return [...this.plans].filter(([position, { partition }]) => partition > 0 && position <= upTo).map(([position]) => position);
  }

  begin(position: number, concurrency: number): void {
    const { partition } = this.plans.get(position)!;
    const before = this.matching(position - 1).filter((earlier) => concurrency === 1 || this.plans.get(earlier)!.partition === partition);
    const missing = before.find((earlier) => !this.settled.has(earlier));
    if (missing !== undefined) this.breaches.push(`${position} began before ${missing} was settled`);
    if (this.settled.has(position)) this.repetitions++;
  }

  saving(name: string, value: JsonValue, events: readonly SequencedEvent[]): void {
    const { position, id } = value as { position: number; id: string | null };
    if (name.includes('/dead/')) this.settled.add(position);
    else {
      const missing = this.matching(position).find((earlier) => !this.settled.has(earlier));
      if (missing !== undefined) this.breaches.push(`the checkpoint at ${position} passes ${missing}`);
    }
    if (position > 0 && events[position - 1]?.id !== id) this.breaches.push(`${name} has the wrong id`);
  }
}

test('every event is handled or parked, in order, and the checkpoint stays behind', async () => {
  let [repetitions, losses, runs, parked] = [0, 0, 0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), ways, fc.integer({ min: 1, max: 5 }), async (steps, way, checkpointEvery) => {
      const ledger = new Ledger();
      const inner = openMemoryStore();
      let failingSaves = 0;
      const save: EventStore['state']['save'] = async (name, value, options) => {
        if (failingSaves > 0 && failingSaves--) throw new LockTimeoutError('not now');
        const events = await inner.read().toArray();
        const version = await inner.state.save(name, value, options);
        ledger.saving(name, value, events);
        return version;
      };
      const { store, lose, losses: count } = withLosableLeases(withCalls(inner, { state: { save } }));
      const concurrency = 'concurrency' in way ? way.concurrency : 1;

      const handleBatch = async (events: readonly SequencedEvent[], { attempt }: { attempt: number }): Promise<void> => {
        ledger.begin(events[0]!.position, concurrency);
        for (const { position } of events) {
          const { failures, turns: count } = ledger.plans.get(position)!;
          await turns(count);
          if (attempt <= failures) throw new Error('not yet');
        }
        for (const { position } of events) ledger.settled.add(position);
      };
      const common = { name: 'c', query: { items: [{ tags: ['wanted'] }] }, maxAttempts, checkpointEvery, sleep: () => turns(1), random: () => 0 };
      const start = (): Consumer =>
        'batchSize' in way
          ? consume(store, { ...common, ...way, handleBatch })
          : consume(store, { ...common, ...way, partitionBy: ({ data }) => String(data), handle: (event, context) => handleBatch([event], context) });

      const consumers: (Consumer | undefined)[] = [start(), undefined];
      const run: { [Kind in Step['kind']]: (step: Extract<Step, { kind: Kind }>) => unknown } = {
        async append({ plans }) {
          const head = await store.head();
          // Known before a consumer can see the events; nobody else appends.
          plans.forEach((plan, i) => ledger.plans.set(head + 1 + i, plan));
          await store.append(plans.map(({ partition }) => ({ type: 'A', data: partition, tags: partition > 0 ? ['wanted'] : [] })));
        },
        async toggle({ who }) {
          const consumer = consumers[who];
          consumers[who] = consumer ? undefined : start();
          // Not always waited for: the next one may come while this one is stopping.
          if (ledger.plans.size % 2 === 0) await consumer?.stop();
          else void consumer?.stop();
        },
        lose,
        turns: ({ count }) => turns(count),
        wait: async () => (consumers[0] ?? consumers[1])?.waitFor(await store.head()),
        'fail saves': ({ count }) => (failingSaves = count),
      };
      for (const one of steps) await (run[one.kind] as (step: Step) => unknown)(one);

      failingSaves = 0;
      for (const consumer of consumers) await consumer?.stop();
      const last = start();
      await last.waitFor(await store.head());
      await last.stop();
      expect(ledger.breaches).toEqual([]);
      expect(ledger.matching(Infinity).filter((position) => !ledger.settled.has(position))).toEqual([]);
      const letters = (await last.deadLetters()).map(({ position }) => position);
      expect(letters).toEqual(ledger.matching(Infinity).filter((position) => ledger.plans.get(position)!.failures >= maxAttempts));
      // It may lie before events that do not match, when the last one had nothing to do and was stopped before it had the lease.
      expect((await savedPosition(inner, 'c')) ?? 0).toBeGreaterThanOrEqual(Math.max(0, ...ledger.matching(Infinity)));
      repetitions += ledger.repetitions;
      losses += count();
      parked += letters.length;
      runs++;
      await inner.close();
    }),
    { numRuns: Number(process.env['RUNS'] ?? 60) },
  );
  // Else nothing of interest happened.
  expect(losses).toBeGreaterThan(runs / 4);
  expect(parked).toBeGreaterThan(runs / 4);
  expect(repetitions).toBeGreaterThan(0);
});
