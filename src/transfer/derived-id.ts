/** The same id for the same parts, in every run and on every machine: 128 bits of SHA-256 behind a prefix that says where it is from. */
export function derivedId(prefix: string, ...parts: readonly (string | number)[]): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for (const part of parts) hash.update(`${part}\n`);
  return `${prefix}:${hash.digest('hex').slice(0, 32)}`;
}
