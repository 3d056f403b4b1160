/** What an append, or a saved state, may hold at the most. Sizes are bytes of UTF-8 JSON; all bounds are inclusive. */
export const limits = {
  eventBytes: 16 * 1024 * 1024,
  batchBytes: 64 * 1024 * 1024,
  batchEvents: 100_000,
  conditionBytes: 1024 * 1024,
  stateBytes: 16 * 1024 * 1024,
  tags: 255,
  typeBytes: 1024,
  tagBytes: 1024,
  idBytes: 255,
  /** Levels of arrays and objects within `data` or `metadata`. */
  depth: 512,
} as const;
