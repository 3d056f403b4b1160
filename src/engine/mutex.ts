/** Not re-entrant: never hold it while calling a user's code. */
export { Mutex } from 'async-mutex';
