import { StorageFailedError } from '../core/errors.js';
import { isBehindSession, isMissingDocument } from './single-read.js';

/** `'refused'`: somebody else was there first, and nothing was written. `'unknown'`: no answer, or one that does not say. */
export type WriteAnswer = 'done' | 'refused' | 'unknown';

/** One try of a write of one document under its etag. */
export async function attemptWrite(write: () => Promise<unknown>): Promise<WriteAnswer> {
  try {
    await write();
    return 'done';
  } catch (error) {
    const status = (error as { code?: unknown }).code;
    if (isMissingDocument(error) || status === 409 || status === 412) return 'refused';
    if (isBehindSession(error)) return 'unknown';
    if (status === 400 || status === 404 || status === 401 || status === 403 || status === 413) {
      throw new StorageFailedError(`Cosmos DB refused to write: ${(error as Error).message}. Nothing was written.`, 'not-committed', { status }, error);
    }
    return 'unknown';
  }
}
