const blockName = /^\d{10}\.idx$/;

export function blockFileName(block: number): string {
  return `${String(block).padStart(10, '0')}.idx`;
}

/** Numbers of the blocks among the names of the index folder, rising. Other names are left alone. */
export function blockNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => blockName.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}
