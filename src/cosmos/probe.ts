/* Three batches that show whether a server keeps what the store's correctness rests on. Some emulators do not. */
import { InvalidInputError } from '../core/errors.js';
import { systemDefaults } from '../core/defaults.js';
import type { Container, OperationInput } from './sdk.js';

/**
 * Finds out whether the server behind `container` rolls a failed batch back, honours If-Match within a batch, and keeps the unique
 * key: three tiny batches in a partition of their own, which is removed afterwards. Costs some 60 request units.
 *
 * @example await probe(container)
 * @throws InvalidInputError that names what the server does wrong. Whatever the SDK throws when it cannot be reached.
 */
export async function probe(container: Container): Promise<void> {
  const ctx = `$probe-${systemDefaults.newId()}`;
  try {
    await runProbe(container, ctx);
  } finally {
    await Promise.allSettled(['ledger', 'first', 'second', 'third'].map((id) => container.item(id, ctx).delete()));
  }
}

async function runProbe(container: Container, ctx: string): Promise<void> {
  const doc = (id: string, position: number) => ({ id, ctx, kind: 'probe', position });
  const create = (id: string, position: number): OperationInput => ({ operationType: 'Create', partitionKey: ctx, resourceBody: doc(id, position) });
  const replaceLedger = (ifMatch: string): OperationInput => ({ operationType: 'Replace', partitionKey: ctx, id: 'ledger', resourceBody: { ...doc('ledger', 0), changed: true }, ifMatch });
  const exists = async (id: string): Promise<boolean> => (await container.item(id, ctx).read()).resource !== undefined;
  const etag = async (): Promise<string> => String((await container.item('ledger', ctx).read<{ _etag: string }>()).resource?._etag);

  const made = await statuses(container, ctx, [create('ledger', 0), create('first', 1)]);
  if (!made.every((status) => status === 201)) refuse(`a batch of two new documents answers ${made.join(', ')}`);
  const before = await etag();

  const clash = await statuses(container, ctx, [replaceLedger(before), create('second', 2), create('third', 1)]);
  if (clash[2] !== 409) refuse(`a second document with the same "/position" answers ${clash[2]} instead of 409: the unique key does not hold`);
  if ((await exists('second')) || (await etag()) !== before) refuse('a failed batch is not rolled back: batches are not atomic');

  const stale = await statuses(container, ctx, [replaceLedger('"00000000-0000-0000-0000-000000000000"'), create('second', 2)]);
  if (stale[0] !== 412) refuse(`a batch with an old etag answers ${stale[0]} instead of 412: If-Match is ignored`);
  if ((await exists('second')) || (await etag()) !== before) refuse('a batch with an old etag is refused but written: batches are not atomic');
}

async function statuses(container: Container, ctx: string, operations: OperationInput[]): Promise<number[]> {
  const { result = [] } = await container.items.batch(operations, ctx);
  return result.map(({ statusCode }) => statusCode);
}

function refuse(found: string): never {
  throw new InvalidInputError('container', `is on a server that cannot keep events safe: ${found}. Use Azure Cosmos DB, or an emulator that passes this probe.`);
}
