import fastGlob from 'fast-glob';

/** Paths of the files below `directory` that match `pattern`, relative to it, with forward slashes, sorted. */
export async function findFiles(directory: string, pattern: string): Promise<string[]> {
  const found = await fastGlob(pattern, { cwd: directory, dot: true, onlyFiles: true, followSymbolicLinks: false });
  return found.sort();
}
