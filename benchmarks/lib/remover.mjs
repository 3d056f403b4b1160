/* Removes a folder: node remover.mjs FOLDER. A process of its own, since how many threads it has must be known before it needs one. */
import { rm } from 'node:fs/promises';

const [, , folder = ''] = process.argv;
await rm(folder, { recursive: true, force: true, maxRetries: 5 });
