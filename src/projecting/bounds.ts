/** What a projection may hold, and how its work is cut into pieces. Sizes are bytes of UTF-8 JSON unless they say otherwise; bounds are inclusive. */
export const bounds = {
  keyBytes: 1024,
  /** One key's state. Pieces of a projection stay near 1 MiB, so that they fit every backend's state store. */
  stateBytes: 1024 * 1024,
  /** Changes up to this size travel in the manifest itself: one save instead of two. */
  inlineBytes: 16 * 1024,
  /** Of one segment of changes. */
  pieceBytes: 512 * 1024,
  /** Of one shard, on average. */
  shardBytes: 256 * 1024,
  /** Of the shards that are kept in memory; as JavaScript objects they take a few times as much. */
  cacheBytes: 16 * 1024 * 1024,
  /** Changes are merged into the shards when they take more than a quarter of these, but at least and at most: */
  leastChangesBytes: 512 * 1024,
  mostChangesBytes: 4 * 1024 * 1024,
  /** While catching up, what was applied is saved when one of these is reached. */
  saveEvents: 10_000,
  saveBytes: 1024 * 1024,
  saveMs: 250,
  /** Events that are read ahead. */
  intakeEvents: 2048,
  /** Events whose related events are read at once. */
  relatedEvents: 256,
} as const;
