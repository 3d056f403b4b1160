import { openGroup } from './group.mjs';

/** SQLite in a worker thread, one transaction for all appends that wait. @param {string} folder */
export const open = (folder) => openGroup('sqlite', folder);
