/** The port for randomness. */
export interface Random {
  bytes(length: number): Buffer;
  uuid(): string;
}

/** Loading it takes milliseconds, for which a program that only reads need not wait. */
const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');

let newUuid: (() => string) | undefined;

export const systemRandom: Random = {
  bytes: (length) => crypto().randomBytes(length),
  uuid: () => (newUuid ??= crypto().randomUUID)(),
};
