import { traces, type DecideTrace } from '../../core/traces.js';
import type { Entry } from './entry.js';
import { currentWorld, type HandlerWorld } from './virtual-time.js';

/**
 * Writes down what the models of `decide` answered, beside the read that they answered from: of the last attempt, which is the one
 * whose outcome counts. Returns what ends it.
 */
export function noteModelAnswers(worlds: readonly HandlerWorld[], entries: readonly Entry[]): () => void {
  const subscribers = {
    asyncEnd(message: DecideTrace): void {
      // Decisions of anybody else in the process are none of ours.
      const handler = worlds.indexOf(currentWorld() as HandlerWorld);
      const read = entries.findLast((entry) => entry.handler === handler && entry.call.kind === 'read');
      const { state } = (message.result ?? {}) as { state?: object };
      if (read && state) read.answers = Object.entries(state).map(([name, value]) => `${name} → ${brief(value)}`).join(', ');
    },
  };
  traces.decide.subscribe(subscribers as Parameters<typeof traces.decide.subscribe>[0]);
  return () => void traces.decide.unsubscribe(subscribers as Parameters<typeof traces.decide.unsubscribe>[0]);
}

function brief(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
