import { type OpenSegment, openSegment } from '../../src/journal/segment-files.ts';

/** A disk that can be told to fail. `part` bytes of a failing write still reach the file, as on a full disk. */
export type FailingDisk = {
  readonly openSegment: OpenSegment;
  write: { error: Error; part: number } | undefined;
  datasync: Error | undefined;
  truncate: Error | undefined;
  open: Error | undefined;
  /** Called before each sync; the sync waits for it. */
  beforeSync: () => Promise<void>;
};

export const diskError = (code: 'ENOSPC' | 'EIO'): Error => Object.assign(new Error(`${code}: injected`), { code });

export function createFailingDisk(): FailingDisk {
  const disk: FailingDisk = {
    write: undefined,
    datasync: undefined,
    truncate: undefined,
    open: undefined,
    beforeSync: async () => undefined,
    openSegment: async (path, how) => {
      if (disk.open) throw disk.open;
      const file = await openSegment(path, how);
      return {
        write: async (data, position) => {
          if (!disk.write) return file.write(data, position);
          await file.write(data.subarray(0, disk.write.part), position);
          throw disk.write.error;
        },
        datasync: async () => {
          await disk.beforeSync();
          if (disk.datasync) throw disk.datasync;
          return file.datasync();
        },
        truncate: async (bytes) => {
          if (disk.truncate) throw disk.truncate;
          return file.truncate(bytes);
        },
        close: file.close,
      };
    },
  };
  return disk;
}
