/** The event store on Azure Cosmos DB for NoSQL: everything else of the library works on it as it does on files. */
export { createContainer, createStateContainer } from './create-container.js';
export type { PollOptions } from './following.js';
export { openCosmosStore, type CosmosStoreOptions } from './open-cosmos-store.js';
export { probe } from './probe.js';
export { subscribeAll, type ContextBatch, type SubscribeAllOptions } from './subscribe-all.js';
