import type { Container, ContainerDefinition, Database } from './sdk.js';

/**
 * Creates the container for events if it does not exist, as the store needs it: partition key, unique key and what is indexed are
 * fixed here, and the first two for ever. Data is not indexed, so that it costs no request units beyond its size.
 *
 * @param throughput Request units a second for the container alone; shared or serverless throughput when absent.
 */
export function createContainer(database: Database, id: string, { throughput }: { throughput?: number } = {}): Promise<Container> {
  return create(database, {
    id,
    partitionKey: { paths: ['/ctx'] },
    // The second guard beside the ledger's etag: no two documents of a context can have one position.
    uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/position'] }] },
    indexingPolicy: indexOnly('/position/?', '/type/?', '/tags/[]/?'),
    ...(throughput === undefined ? {} : { throughput }),
  });
}

/** Creates the container for what consumers and projections keep: no unique key, so it cannot be the one for events. */
export function createStateContainer(database: Database, id: string, { throughput }: { throughput?: number } = {}): Promise<Container> {
  return create(database, {
    id,
    partitionKey: { paths: ['/ctx'] },
    indexingPolicy: indexOnly('/kind/?'),
    ...(throughput === undefined ? {} : { throughput }),
  });
}

async function create(database: Database, definition: ContainerDefinition & { throughput?: number }): Promise<Container> {
  const { container } = await database.containers.createIfNotExists(definition);
  return container;
}

function indexOnly(...paths: string[]): NonNullable<ContainerDefinition['indexingPolicy']> {
  return { indexingMode: 'consistent', automatic: true, includedPaths: paths.map((path) => ({ path })), excludedPaths: [{ path: '/*' }] };
}
