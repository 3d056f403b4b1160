import type { CosmosClientOptions } from '@azure/cosmos';

export type EventStoreOptions =
  | { kind: 'files'; directory: string }
  /** The database must exist; the containers in it are made if they do not. */
  | { kind: 'cosmos'; client: CosmosClientOptions; database: string };

/** Where the events are has no default: a service in production that forgot it would write to a disk that goes with its container. */
export function eventStoreOptions(env: Record<string, string | undefined>): EventStoreOptions {
  const needed = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is missing in the environment.`);
    return value;
  };
  const kind = needed('EVENT_STORE');
  switch (kind) {
    case 'files':
      return { kind, directory: needed('EVENT_STORE_DIRECTORY') };
    case 'cosmos':
      return { kind, client: { endpoint: needed('COSMOS_ENDPOINT'), key: needed('COSMOS_KEY') }, database: needed('COSMOS_DATABASE') };
    default:
      throw new Error(`EVENT_STORE is "${kind}"; it must be "files" or "cosmos".`);
  }
}
