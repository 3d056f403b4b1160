import { openGroup } from './group.mjs';

/**
 * lmdb in a worker thread, one transaction for all appends that wait. lmdb's own way to do so, `transaction(callback)`, never
 * calls the callback here (lmdb 3.5.6, Node 20.20).
 * @param {string} folder
 */
export const open = (folder) => openGroup('lmdb', folder);
