const blockName = /^\d{10}\.idx$/;
const keysName = /^\d{10}\.keys$/;

export function blockFileName(block: number): string {
  return `${String(block).padStart(10, '0')}.idx`;
}

/** The types and tags of a group of blocks. */
export function keysFileName(group: number): string {
  return `${String(group).padStart(10, '0')}.keys`;
}

/** Numbers of the blocks among the names of the index folder, rising. Other names are left alone. */
export function blockNumbers(names: readonly string[]): number[] {
  return numbers(names, blockName);
}

/** Numbers of the groups that have a file of keys, rising. */
export function keysNumbers(names: readonly string[]): number[] {
  return numbers(names, keysName);
}

function numbers(names: readonly string[], pattern: RegExp): number[] {
  return names
    .filter((name) => pattern.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}
