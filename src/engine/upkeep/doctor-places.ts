/* Where a folder lies, as far as its path and its file system tell: pure functions over names and numbers. */

/** Names of files and folders by which a synchronising program marks the folders that it looks after, and the service. */
export const cloudMarkers: ReadonlyMap<string, string> = new Map([
  ['.dropbox', 'Dropbox'],
  ['.dropbox.cache', 'Dropbox'],
  ['.849C9593-D756-4E56-8D6E-42412F2A707B', 'OneDrive'],
  ['.tmp.driveupload', 'Google Drive'],
  ['.tmp.drivedownload', 'Google Drive'],
  ['.stfolder', 'Syncthing'],
  ['.nextcloudsync.log', 'Nextcloud'],
  ['.owncloudsync.log', 'ownCloud'],
]);

const cloudSegments: readonly (readonly [RegExp, string])[] = [
  [/^onedrive( ?-.*)?$/i, 'OneDrive'],
  [/^(mobile documents|com~apple~clouddocs|iclouddrive|icloud drive)$/i, 'iCloud Drive'],
  [/^dropbox( ?[-(].*)?$/i, 'Dropbox'],
  [/^(google ?drive|googledrive-.*|my drive)$/i, 'Google Drive'],
  [/^(nextcloud|owncloud)$/i, 'Nextcloud or ownCloud'],
  [/^box sync$/i, 'Box'],
];

/** The service that synchronises a folder, by the names on its path. */
export function cloudServiceOf(place: string): string | undefined {
  const segments = place.split(/[\\/]/);
  for (const segment of segments) {
    const service = cloudSegments.find(([pattern]) => pattern.test(segment));
    if (service) return service[1];
  }
  const parent = segments.findIndex((segment, i) => segment === 'Library' && segments[i + 1] === 'CloudStorage');
  return parent < 0 ? undefined : `a cloud service (${segments[parent + 2] ?? 'CloudStorage'})`;
}

/** `'network'` includes folders that a host shares with a virtual machine. */
export type FileSystemKind = 'network' | 'fuse' | 'fat' | 'memory';

/** Magic numbers of Linux's statfs. */
const linuxTypes: ReadonlyMap<number, readonly [FileSystemKind, string]> = new Map<number, readonly [FileSystemKind, string]>([
  [0x6969, ['network', 'NFS']],
  [0x517b, ['network', 'SMB']],
  [0xff534d42, ['network', 'SMB (CIFS)']],
  [0xfe534d42, ['network', 'SMB 2']],
  [0x01021997, ['network', '9P']],
  [0x5346414f, ['network', 'AFS']],
  [0x73757245, ['network', 'Coda']],
  [0x00c36400, ['network', 'Ceph']],
  [0x47504653, ['network', 'GPFS']],
  [0x0bd00bd0, ['network', 'Lustre']],
  [0x786f4256, ['network', 'VirtualBox shared folder']],
  [0x65735546, ['fuse', 'FUSE']],
  [0x4d44, ['fat', 'FAT']],
  [0x2011bab0, ['fat', 'exFAT']],
  [0x01021994, ['memory', 'tmpfs']],
  [0x858458f6, ['memory', 'ramfs']],
]);

export type FileSystemPlace = { readonly platform: string; readonly place: string; readonly type: number | undefined };

/** What kind of file system it is, when that matters, and its name. Only Linux tells; elsewhere the path must do. */
export function fileSystemKindOf({ platform, place, type }: FileSystemPlace): readonly [FileSystemKind, string] | undefined {
  if (platform === 'win32') return isNetworkPath(place) ? ['network', 'a network share'] : undefined;
  // Some systems give the number with its sign extended.
  return platform === 'linux' && type !== undefined ? linuxTypes.get(type >>> 0) : undefined;
}

/** `\\server\share`, but not `\\?\C:\folder`. */
function isNetworkPath(place: string): boolean {
  return /^[\\/]{2}[?.][\\/]UNC[\\/]/i.test(place) || /^[\\/]{2}[^\\/?.]/.test(place);
}
