/* What the guarantees rest on and can be looked up: refused on opening, before anything is decided on it. */
import { InvalidInputError, StorageFailedError } from '../core/errors.js';
import { untilAnswered, type Backoff } from './backoff.js';
import type { Container, ContainerDefinition } from './sdk.js';

const strongEnough = ['Strong', 'BoundedStaleness', 'Session'];

/** @throws InvalidInputError when the account or the container are not as the store needs them. */
export async function checkAccount(container: Container, backoff: Backoff): Promise<void> {
  const { resource: account } = await untilAnswered(backoff, 'reading the account', () => container.database.client.getDatabaseAccount());
  if (account === undefined) throw new StorageFailedError('Cosmos DB: the account gave no description of itself. Nothing was done: try again.', 'not-committed');
  if (account.enableMultipleWritableLocations) {
    throw new InvalidInputError('options.container', 'is in an account with several write regions, where two regions can both commit on the same etag. Use an account with one write region.');
  }
  if (!strongEnough.includes(account.consistencyPolicy)) {
    throw new InvalidInputError('options.container', `is in an account whose default consistency is ${JSON.stringify(account.consistencyPolicy)}. Make it Session or stronger.`);
  }
}

/** @throws InvalidInputError when events in this container would not be safe. */
export async function checkContainer(container: Container, backoff: Backoff): Promise<void> {
  const definition = await readDefinition(container, backoff);
  checkKeyAndLifetime(definition, 'options.container');
  const unique = (definition.uniqueKeyPolicy?.uniqueKeys ?? []).map(({ paths }) => paths.join());
  if (unique.join(';') !== '/position') {
    throw new InvalidInputError('options.container', `has ${unique.length === 0 ? 'no unique key' : `the unique keys ${unique.join('; ')}`}; it must have "/position" alone. It is fixed when a container is created: make one with createContainer().`);
  }
}

/** @throws InvalidInputError when the container cannot keep states. */
export async function checkStateContainer(container: Container, backoff: Backoff): Promise<void> {
  const definition = await readDefinition(container, backoff);
  checkKeyAndLifetime(definition, 'options.stateContainer');
  if ((definition.uniqueKeyPolicy?.uniqueKeys ?? []).length > 0) {
    throw new InvalidInputError('options.stateContainer', 'has a unique key, so it can hold one state only. Make another one with createStateContainer().');
  }
}

async function readDefinition(container: Container, backoff: Backoff): Promise<ContainerDefinition> {
  const { resource } = await untilAnswered(backoff, `reading the definition of container ${JSON.stringify(container.id)}`, () => container.read());
  return resource ?? {};
}

function checkKeyAndLifetime({ partitionKey, defaultTtl }: ContainerDefinition, path: string): void {
  const paths = partitionKey?.paths ?? [];
  if (paths.join() !== '/ctx') throw new InvalidInputError(path, `has the partition key ${JSON.stringify(paths.join())}; it must be "/ctx". It is fixed when a container is created: make one with createContainer().`);
  if (defaultTtl !== undefined && defaultTtl !== -1) throw new InvalidInputError(path, `deletes documents after ${defaultTtl} seconds (defaultTtl). Switch that off: events are kept for ever.`);
}
