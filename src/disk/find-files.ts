/** Paths of the files below `directory` that match one of `patterns`, relative to it, with forward slashes, sorted. */
export async function findFiles(directory: string, patterns: readonly string[]): Promise<string[]> {
  // Loaded when needed: opening a store does not.
  const { glob } = (await import('fast-glob')).default;
  const found = await glob([...patterns], { cwd: directory, dot: true, onlyFiles: true, followSymbolicLinks: false });
  return found.sort();
}
