/** Work in steps of a millisecond or so, and what comes of it. */
export type Steps<T> = Generator<void, T, undefined>;

export function runToEnd<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** Lets others run after each step. */
export async function runInTurns<T>(steps: Steps<T>, yieldTurn: () => Promise<void>): Promise<T> {
  let step = steps.next();
  for (; !step.done; step = steps.next()) await yieldTurn();
  return step.value;
}
