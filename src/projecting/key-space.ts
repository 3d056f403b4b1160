/* Where keys lie: each has a place from 0 to 2^32 - 1, and a shard holds the keys of one range of places. */

/** FNV-1a over the code units, mixed once more, since the shard is told by the upper bits. */
export function placeOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** `shards` is a power of two. */
export function shardOf(place: number, shards: number): number {
  return Math.floor(place / (places / shards));
}

/** The first place behind the shard. */
export function endOf(shard: number, shards: number): number {
  return (shard + 1) * (places / shards);
}

export const places = 2 ** 32;
