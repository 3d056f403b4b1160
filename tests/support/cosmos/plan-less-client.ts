/*
 * The SDK asks for a plan with each query, and looks at it only when the query itself is refused for want of one. The strict server
 * has no plans: answering that without a request saves a third of what the tests cost.
 */
import type { CosmosClientOptions } from '@azure/cosmos';
import { createRequire } from 'node:module';

type HttpClient = NonNullable<CosmosClientOptions['httpClient']>;

/** The SDK's own, of the package that it has it from. */
const pipeline = createRequire(createRequire(import.meta.url).resolve('@azure/cosmos'))('@azure/core-rest-pipeline') as {
  createDefaultHttpClient(): HttpClient;
  createHttpHeaders(): Awaited<ReturnType<HttpClient['sendRequest']>>['headers'];
};
const client = pipeline.createDefaultHttpClient();

export const planLessClient: HttpClient = {
  sendRequest: async (request) =>
    request.headers.has('x-ms-cosmos-is-query-plan-request') ? { request, status: 400, headers: pipeline.createHttpHeaders(), bodyAsText: '{"message":"There are no query plans."}' } : client.sendRequest(request),
};
