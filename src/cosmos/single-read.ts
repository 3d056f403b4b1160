import type { Container, ItemDefinition, ItemResponse, RequestOptions } from './sdk.js';

/**
 * Reads one document. The SDK takes every 404 for a document that does not exist; but with a substatus it says something else:
 * that the container is missing (1003), or that no replica had what the client's session token names (1002).
 *
 * @throws what the SDK throws, and an error with `code` and `substatus` for such an answer.
 */
export async function readDocument<T extends ItemDefinition>(container: Container, id: string, context: string, options?: RequestOptions): Promise<ItemResponse<T>> {
  const answer = await container.item(id, context).read<T>(options);
  const { statusCode: code, substatus } = answer;
  if (code === 404 && substatus) {
    const reason = substatus === missingContainer ? 'the container does not exist' : `status 404, substatus ${substatus}`;
    throw Object.assign(new Error(reason), { code, substatus });
  }
  return answer;
}

/** Whether a request failed for nothing but that the document does not exist. */
export function isMissingDocument(error: unknown): boolean {
  const { code, substatus } = error as { code?: unknown; substatus?: unknown };
  return code === 404 && !substatus;
}

/** Whether no replica had got as far as the client's session token says: one will soon. */
export function isBehindSession(error: unknown): boolean {
  const { code, substatus } = error as { code?: unknown; substatus?: unknown };
  return code === 404 && substatus === behindSession;
}

const behindSession = 1002;
const missingContainer = 1003;
