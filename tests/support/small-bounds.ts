/** Bounds of a projection so small that a few events go through deltas, merges and splits. Instead of `src/projecting/bounds.ts`. */
export const bounds = {
  keyBytes: 1024,
  stateBytes: 1024 * 1024,
  inlineBytes: 60,
  pieceBytes: 120,
  shardBytes: 200,
  cacheBytes: 500,
  leastChangesBytes: 300,
  mostChangesBytes: 600,
  saveEvents: 3,
  saveBytes: 200,
  saveMs: 5,
  intakeEvents: 8,
  relatedEvents: 2,
};
