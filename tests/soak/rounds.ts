/** Where a soak begins; printed with every round, so that a round which failed can be run again alone. */
export const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(process.env['MINUTES'] ?? 5);

/** Runs rounds with one seed after another until the time is over, and `atLeast` so many. */
export async function runRounds(what: string, atLeast: number, round: (seed: number) => Promise<string>): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  for (let i = 0; i < atLeast || performance.now() < endMs; i++) {
    console.log(`${what}: SEED=${seed + i}`);
    console.log(`${what}: ${await round(seed + i)}`);
  }
}
