import { describe, expect, test } from 'vitest';
import { forEachEvent, makeEventStream, type EventSource } from '../../src/core/event-stream.js';
import type { SequencedEvent } from '../../src/core/event.js';

const event = (position: number): SequencedEvent => ({ position, type: 'A', data: null, tags: [], id: `${position}`, metadata: {}, timestamp: '2001-01-01T00:00:00Z' });

type Script = { total?: number; failAt?: number; waitAt?: number; sync?: boolean };

/** A source of numbered events that notes how it is used. */
function scripted({ total = 10, failAt = Infinity, waitAt = Infinity, sync = false }: Script = {}) {
  const log = { opened: 0, closed: 0, asked: [] as number[] };
  let release = (): void => undefined;
  const open = (): EventSource => {
    log.opened++;
    let given = 0;
    const take = (max: number): SequencedEvent[] => {
      if (given >= failAt) throw new Error('broken');
      const chunk = Array.from({ length: Math.min(max, total - given) }, () => event(++given));
      return chunk;
    };
    return {
      head: async () => total,
      next(max) {
        log.asked.push(max);
        if (given >= waitAt) return new Promise((resolve) => (release = () => resolve(take(max))));
        return sync ? take(max) : new Promise((resolve) => resolve(take(max)));
      },
      close: () => void log.closed++,
    };
  };
  return { open, log, release: () => release() };
}

const all = async (stream: AsyncIterable<SequencedEvent>): Promise<number[]> => {
  const seen: number[] = [];
  for await (const { position } of stream) seen.push(position);
  return seen;
};
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe.each([{ sync: false }, { sync: true }])('a stream, source answering at once: $sync', ({ sync }) => {
  test('is iterated in growing chunks, and closes its source once', async () => {
    const { open, log } = scripted({ total: 4000, sync });
    expect(await all(makeEventStream(open))).toEqual(upTo(4000));
    expect(log).toEqual({ opened: 1, closed: 1, asked: [64, 256, 1024, 1024, 1024, 1024, 1024] });
  });

  test('opens a source for each use, and closes each', async () => {
    const { open, log } = scripted({ sync });
    const stream = makeEventStream(open);
    expect(await all(stream)).toEqual(upTo(10));
    expect((await stream.toArray()).map(({ position }) => position)).toEqual(upTo(10));
    expect((await stream.first())?.position).toBe(1);
    expect(await stream.head()).toBe(10);
    expect(log.opened).toBe(4);
    expect(log.closed).toBe(4);
  });

  test('asks for one event when only the first is wanted', async () => {
    const { open, log } = scripted({ sync });
    await makeEventStream(open).first();
    expect(log.asked).toEqual([1]);
  });

  test('closes its source when the loop is left', async () => {
    const { open, log } = scripted({ sync });
    for await (const { position } of makeEventStream(open)) if (position === 3) break;
    expect(log.closed).toBe(1);
  });

  test('passes a failure on once, and closes its source', async () => {
    const { open, log } = scripted({ total: 1000, failAt: 64, sync });
    const stream = makeEventStream(open);
    const iterator = stream[Symbol.asyncIterator]();
    for (const n of upTo(64)) expect((await iterator.next()).value.position).toBe(n);
    await expect(iterator.next()).rejects.toThrow('broken');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    await expect(all(stream)).rejects.toThrow('broken');
    expect(log.closed).toBe(2);
    const broken = scripted({ failAt: 0, sync });
    await expect(makeEventStream(broken.open).toArray()).rejects.toThrow('broken');
    await expect(makeEventStream(broken.open).first()).rejects.toThrow('broken');
    expect(broken.log.closed).toBe(2);
  });

  test('answers calls of next in order, however many are made at once', async () => {
    const { open } = scripted({ total: 400, sync });
    const iterator = makeEventStream(open)[Symbol.asyncIterator]();
    const early = upTo(150).map(() => iterator.next());
    const late = early[60]!.then(() => upTo(100).map(() => iterator.next())).then((calls) => Promise.all(calls));
    const positions = [...(await Promise.all(early)), ...(await late)].map(({ value }) => (value as SequencedEvent).position);
    expect([...positions].sort((a, b) => a - b)).toEqual(upTo(250));
    expect(positions.slice(0, 150)).toEqual([...positions.slice(0, 150)].sort((a, b) => a - b));
  });
});

describe('aborting', () => {
  test('rejects whoever waits, closes the source, and drops what comes too late', async () => {
    const { open, log, release } = scripted({ waitAt: 0 });
    const controller = new AbortController();
    const stream = makeEventStream(open, { signal: controller.signal });
    const array = stream.toArray();
    const iteration = all(stream);
    controller.abort('enough');
    await expect(array).rejects.toBe('enough');
    await expect(iteration).rejects.toBe('enough');
    release();
    expect(log).toMatchObject({ opened: 2, closed: 2 });
  });

  test('rejects the next call when events are at hand, then is done', async () => {
    const { open, log } = scripted();
    const controller = new AbortController();
    const iterator = makeEventStream(open, { signal: controller.signal })[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort('enough');
    await expect(iterator.next()).rejects.toBe('enough');
    expect((await iterator.next()).done).toBe(true);
    expect(log.closed).toBe(1);
  });

  test('between the source\'s answer and its handing out is not lost', async () => {
    const { open, release } = scripted({ waitAt: 0 });
    const controller = new AbortController();
    const call = makeEventStream(open, { signal: controller.signal })[Symbol.asyncIterator]().next();
    release();
    await Promise.resolve();
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
  });

  test('before the first use rejects every use', async () => {
    const { open, log } = scripted();
    const stream = makeEventStream(open, { signal: AbortSignal.abort('enough') });
    for (const use of [stream.toArray(), stream.first(), stream.head(), all(stream)]) await expect(use).rejects.toBe('enough');
    expect(log.asked).toEqual([]);
    expect(log.closed).toBe(log.opened);
  });

  test("ends quietly with onAbort 'end'", async () => {
    const { open, log } = scripted({ total: 100, waitAt: 64 });
    const controller = new AbortController();
    const array = makeEventStream(open, { signal: controller.signal, onAbort: 'end' });
    const iteration = all(array);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect(await iteration).toEqual(upTo(64));
    expect(await array.toArray()).toEqual([]);
    expect(log.closed).toBe(log.opened);
  });

  test('after the end changes nothing, and no listener stays', async () => {
    const { open, log } = scripted();
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
    const stream = makeEventStream(open, { signal });
    await all(stream);
    await stream.toArray();
    await stream.first();
    await stream.head();
    expect(listeners).toBe(0);
    controller.abort();
    expect(log.closed).toBe(4);
  });
});

describe('visiting each event', () => {
  test.each([{ sync: false }, { sync: true }])('asks for growing chunks, in order, and closes the source once, answering at once: $sync', async ({ sync }) => {
    const { open, log } = scripted({ total: 4000, sync });
    const seen: number[] = [];
    await forEachEvent(makeEventStream(open), ({ position }) => void seen.push(position));
    expect(seen).toEqual(upTo(4000));
    expect(log).toEqual({ opened: 1, closed: 1, asked: [64, 256, 1024, 1024, 1024, 1024, 1024] });
  });

  test('waits for what a visit returns, of any stream', async () => {
    async function* foreign() {
      for (const position of upTo(3)) yield event(position);
    }
    for (const stream of [makeEventStream(scripted({ total: 3 }).open), foreign()]) {
      const seen: string[] = [];
      await forEachEvent(stream, async ({ position }) => {
        seen.push(`${position} begins`);
        await Promise.resolve();
        seen.push(`${position} ends`);
      });
      expect(seen).toEqual(['1 begins', '1 ends', '2 begins', '2 ends', '3 begins', '3 ends']);
    }
  });

  test('passes on what a visit throws, and closes the source', async () => {
    const { open, log } = scripted();
    const visiting = forEachEvent(makeEventStream(open), () => {
      throw new Error('enough');
    });
    await expect(visiting).rejects.toThrow('enough');
    expect(log.closed).toBe(1);
  });

  test.each(['at once', 'later'])('ends with the reason of an abort that came during a visit, answering %s', async (when) => {
    const { open, log } = scripted({ sync: true });
    const controller = new AbortController();
    const seen: number[] = [];
    const visiting = forEachEvent(makeEventStream(open, { signal: controller.signal }), ({ position }) => {
      seen.push(position);
      controller.abort(new Error('given up'));
      return when === 'later' ? Promise.resolve() : undefined;
    });
    await expect(visiting).rejects.toThrow('given up');
    expect(seen).toEqual([1]);
    expect(log.closed).toBe(1);
  });
});

test('return ends a call of next that waits', async () => {
  const { open, log } = scripted({ waitAt: 0 });
  const iterator = makeEventStream(open)[Symbol.asyncIterator]();
  const waiting = iterator.next();
  expect((await iterator.return?.())?.done).toBe(true);
  expect((await waiting).done).toBe(true);
  expect(log.closed).toBe(1);
});
