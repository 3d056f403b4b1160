/* fast-check is an optional peer: only what needs it loads it, so that the rest of the test kit works without. */
import type * as FastCheck from 'fast-check';

export type { FastCheck };

/**
 * What produces values: fast-check's `Arbitrary`. Told by its shape, so that the types of this package are complete where
 * fast-check is not installed.
 */
export type ArbitraryOf<T> = {
  generate(random: never, biasFactor: number | undefined): { readonly value_: T };
};

export async function loadFastCheck(load: () => Promise<typeof FastCheck> = () => import('fast-check')): Promise<typeof FastCheck> {
  try {
    return await load();
  } catch (error) {
    throw new Error('fast-check is needed for this, and could not be loaded. Install it: npm install --save-dev fast-check@4', { cause: error });
  }
}

/** The arbitrary as fast-check knows it. */
export function asArbitrary<T>(arbitrary: ArbitraryOf<T>): FastCheck.Arbitrary<T> {
  return arbitrary as unknown as FastCheck.Arbitrary<T>;
}
