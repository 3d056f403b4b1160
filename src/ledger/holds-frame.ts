import type { ChainPoint } from '../core/stored.js';
import type { DiskFile } from '../disk/disk.js';
import { headLength } from './format.js';
import { decodeHead } from './frame.js';
import { headerPoint, type LedgerHeader } from './header.js';

/**
 * Whether the frame that `point` names lies where it says: one small read tells, its body is not checked. For marks that
 * were kept outside the ledger, which a restored folder may have of another day.
 */
export async function holdsFrame(file: DiskFile, header: LedgerHeader, point: ChainPoint): Promise<boolean> {
  const { position, offset, checksum } = point;
  if (position === 0) return checksum === headerPoint(header).checksum;
  if (!Number.isSafeInteger(offset) || offset < header.end) return false;
  const bytes = Buffer.alloc(headLength);
  const count = await file.read(bytes, offset);
  const head = decodeHead(bytes.subarray(0, count), 0);
  return (
    head !== undefined &&
    head.checksum === checksum &&
    head.first + head.count - 1 === position &&
    head.writtenAt === offset &&
    head.ledgerId.equals(header.ledgerId)
  );
}
