/* Fails loudly at start when the packages below no longer do what the tests take for granted. */
import assert from 'node:assert/strict';
import { ChangeFeedStartFrom, type Container, type OperationInput } from '@azure/cosmos';

const create = (id: string, ctx: string, position: number, more: object = {}): OperationInput => ({ operationType: 'Create', resourceBody: { id, ctx, position, ...more } });

export async function selfTest(container: Container): Promise<void> {
  const statuses = async (operations: OperationInput[]): Promise<(number | undefined)[]> => ((await container.items.batch(operations, 'a')).result ?? []).map(({ statusCode }) => statusCode);
  const etag = async (): Promise<string> => (await container.item('ledger', 'a').read<{ _etag: string }>()).resource!._etag;
  const replace = (ifMatch: string): OperationInput => ({ operationType: 'Replace', id: 'ledger', resourceBody: { id: 'ledger', ctx: 'a', position: 0, new: true }, ifMatch });
  const query = (sql: string, most: number) => container.items.query<{ id: string; position: number }>(sql, { partitionKey: 'a', maxItemCount: most }).fetchNext();

  assert.deepEqual(await statuses([create('ledger', 'a', 0), create('e1', 'a', 1)]), [201, 201], 'a batch is written');
  await container.items.batch([create('e1', 'b', 1)], 'b');
  const first = await etag();
  assert.deepEqual(await statuses([replace('"old"'), create('e2', 'a', 2)]), [412, 424], 'an old etag fails a batch');
  assert.deepEqual(await statuses([replace(first), create('e2', 'a', 2), create('e1', 'a', 3)]), [424, 424, 409], 'a known id fails a batch');
  assert.deepEqual(await statuses([create('e2', 'a', 2), create('e3', 'a', 2)]), [424, 409], 'positions are unique');
  assert.equal(await etag(), first, 'a failed batch is rolled back');
  assert.equal((await container.item('e2', 'a').read()).statusCode, 404, 'a failed batch is rolled back');
  await assert.rejects(container.items.batch([create('e9', 'b', 9)], 'a'), 'a document of another partition is refused');
  await assert.rejects(container.items.batch([create('e9', 'a', 9, { data: 'x'.repeat(2 ** 21) })], 'a'), 'above 2 MB is refused');
  assert.equal((await container.item('ledger', 'a').read({ accessCondition: { type: 'IfNoneMatch', condition: first } })).statusCode, 304, 'an unchanged document is not sent');

  const sql = 'SELECT TOP 2 * FROM c WHERE c.position = 0 OR c.position > 0 AND c.position < 5 ORDER BY c.position DESC';
  const { resources } = await query(sql, 10);
  assert.deepEqual(resources.map(({ id }) => id), ['e1', 'ledger'], 'a query keeps to its partition and its order');
  assert.ok((await query(sql, 1)).continuationToken, 'a page that is cut short says so');

  const feed = container.items.getChangeFeedIterator({ maxItemCount: 1, changeFeedStartFrom: ChangeFeedStartFrom.Beginning('a') });
  assert.deepEqual((await feed.readNext()).result.map(({ id }: { id: string }) => id), ['ledger', 'e1'], 'the change feed does not split a transaction');
  assert.equal((await feed.readNext()).statusCode, 304, 'the change feed ends');
  await container.items.batch([create('e2', 'a', 2)], 'a');
  assert.deepEqual((await feed.readNext()).result.map(({ id }: { id: string }) => id), ['e2'], 'the change feed goes on');
}
