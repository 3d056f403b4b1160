/*
 * The event store as a provider: opened once when the application starts, closed when nothing needs it any more.
 * Services inject REQUEST_STORE, and what they append can be traced to its request. What works outside of requests, such as a
 * consumer, injects EVENT_STORE.
 */
import { ConfigurableModuleBuilder, Global, Inject, Module, Scope, type OnApplicationShutdown } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { randomUUID } from 'node:crypto';
import { openStore, withContext, type EventStore } from 'opossum-store';
import type { EventStoreOptions } from './event-store.options.js';

export const EVENT_STORE = Symbol('EVENT_STORE');
export const REQUEST_STORE = Symbol('REQUEST_STORE');

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: EVENT_STORE_OPTIONS } = new ConfigurableModuleBuilder<EventStoreOptions>()
  .setClassMethodName('forRoot')
  .build();

@Global()
@Module({
  providers: [
    { provide: EVENT_STORE, inject: [EVENT_STORE_OPTIONS], useFactory: openEventStore },
    {
      provide: REQUEST_STORE,
      scope: Scope.REQUEST,
      inject: [EVENT_STORE, REQUEST],
      useFactory: (store: EventStore, request: Request) => withContext({ correlationId: correlationId(request) }, store),
    },
  ],
  exports: [EVENT_STORE, REQUEST_STORE],
})
export class EventStoreModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(@Inject(EVENT_STORE) private readonly store: EventStore) {
    super();
  }

  /** The last of Nest's hooks: connections are closed by now, so no request loses its store halfway. */
  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }
}

async function openEventStore(options: EventStoreOptions): Promise<EventStore> {
  // At the desk an append that Cosmos DB would refuse is refused as well.
  if (options.kind === 'files') return openStore({ directory: options.directory, limits: 'cosmos' });
  // Loaded where it is needed, so that the desk does without the SDK.
  const [{ CosmosClient }, { createContainer, createStateContainer, openCosmosStore }] = await Promise.all([import('@azure/cosmos'), import('opossum-store/cosmos')]);
  const database = new CosmosClient({ ...options.client, consistencyLevel: 'Session' }).database(options.database);
  const [container, stateContainer] = await Promise.all([createContainer(database, 'events'), createStateContainer(database, 'state')]);
  return openCosmosStore({ container, stateContainer });
}

/** What Express and Fastify have in common. */
type Request = { headers: Record<string, string | string[] | undefined> };

/** The caller's, if it looks like an id: it is stored with every event. */
function correlationId({ headers }: Request): string {
  const given = headers['x-correlation-id'];
  return typeof given === 'string' && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
}
