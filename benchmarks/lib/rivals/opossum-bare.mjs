import { openOpossum } from './opossum.mjs';

/** As opossum, without event files. @param {string} folder */
export const open = (folder) => openOpossum(folder, 'none');
