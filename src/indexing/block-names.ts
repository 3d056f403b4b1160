const blockName = /^\d{10}\.idx$/;
const keysName = /^(\d{10})-(\d{10})\.keys$/;

export function blockFileName(block: number): string {
  return `${digits(block)}.idx`;
}

/** Blocks `group * size` to `(group + 1) * size - 1`, whose types and tags are merged. */
export type BlockGroup = {
  /** How many blocks. */
  readonly size: number;
  readonly group: number;
};

/** The types and tags of a group of blocks; named by its first and its last block. */
export function keysFileName({ size, group }: BlockGroup): string {
  return `${digits(group * size)}-${digits((group + 1) * size - 1)}.keys`;
}

/** Numbers of the blocks among the names of the index folder, rising. Other names are left alone. */
export function blockNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => blockName.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

/** The groups of these sizes that have a file of keys, rising by their first block, the smaller first. */
export function keysGroups(names: readonly string[], sizes: readonly number[]): BlockGroup[] {
  return names.flatMap((name) => groupOf(name, sizes) ?? []).sort((a, b) => a.group * a.size - b.group * b.size || a.size - b.size);
}

function groupOf(name: string, sizes: readonly number[]): BlockGroup | undefined {
  const [, first, last] = keysName.exec(name) ?? [];
  if (first === undefined || last === undefined) return undefined;
  const size = Number(last) - Number(first) + 1;
  const group = Number(first) / size;
  return sizes.includes(size) && Number.isInteger(group) ? { size, group } : undefined;
}

function digits(block: number): string {
  return String(block).padStart(10, '0');
}
