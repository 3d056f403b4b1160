/*
 * The strict server as a program, for working offline: `npm run cosmos-server`. It keeps everything in memory and forgets it in
 * the end. PORT chooses the port (8081 when absent, 0 for any that is free).
 */
import { clientOptions, StrictServer } from './strict-server.js';

const server = await StrictServer.start(Number(process.env['PORT'] ?? 8081));
const { endpoint, key } = clientOptions(server.endpoint);
process.stdout.write(`A local Cosmos DB that forgets everything when it ends (Ctrl-C):
new CosmosClient({ endpoint: '${endpoint}', key: '${key}', consistencyLevel: 'Session', connectionPolicy: { enableEndpointDiscovery: false } })
`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void server.stop());
