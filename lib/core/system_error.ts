// Errors of the operating system as WeftErrors: what failed, for which path, and the cure.
import { type ErrorCode, WeftError } from './error.js'

interface Fault {
  readonly reason: string
  readonly cure: string
  /** The machine is at fault, not the path that was given. */
  readonly machine?: boolean
}

const FAULTS: ReadonlyMap<string, Fault> = new Map(
  Object.entries({
    ENOSPC: { reason: 'the disk is full, or has no room for more files', cure: 'Free space there, or choose another disk', machine: true },
    EDQUOT: { reason: 'the disk quota is used up', cure: 'Free space there, or choose another disk', machine: true },
    EFBIG: { reason: 'the file is too large for this file system', cure: 'Choose another disk', machine: true },
    EROFS: { reason: 'the file system is read-only', cure: 'Choose a folder that can be written to', machine: true },
    EMFILE: { reason: 'this process has too many open files', cure: 'Raise the limit (ulimit -n), or close files', machine: true },
    ENFILE: { reason: 'the system has too many open files', cure: 'Close other programs, or raise fs.file-max', machine: true },
    ENOMEM: { reason: 'the system has no memory left', cure: 'End other programs', machine: true },
    EIO: { reason: 'the disk reports a failure', cure: 'Check the disk', machine: true },
    EBUSY: { reason: 'it is in use by the system', cure: 'Choose another folder, or end what uses it', machine: true },
    EXDEV: { reason: 'the folder moved to another disk meanwhile', cure: 'Try again', machine: true },
    ENAMETOOLONG: { reason: 'the name is too long', cure: 'Names take at most 255 bytes, whole paths 4,095' },
    ENOTDIR: { reason: 'a part of the path is not a folder', cure: 'Check each part of the path' },
    EISDIR: { reason: 'it is a folder, a file is expected', cure: 'Check the path' },
    EEXIST: { reason: 'a part of the path is not a folder', cure: 'Check each part of the path' },
    ENOENT: { reason: 'it does not exist', cure: 'Check the path' },
    ELOOP: { reason: 'its symbolic links go round in a circle', cure: 'Check the links' },
    EACCES: { reason: 'permission is denied', cure: 'Check who owns it, and its mode' },
    EPERM: { reason: 'the system does not permit it', cure: 'Check who owns it, and its mode' },
  }),
)

/** Whether the error is one of the operating system, with one of these codes where some are given. */
export function isSystemError(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return (
    typeof code === 'string' && (codes.length === 0 ? typeof (error as NodeJS.ErrnoException).syscall === 'string' : codes.includes(code))
  )
}

/**
 * The error as a WeftError that names the path and the cure: ERR_STATE where the machine is at fault (a full disk, too
 * many open files), else `code`. Other errors are returned as they are.
 * @param doing what failed, as in 'save: /models/digits cannot be written'
 */
export function systemError(doing: string, error: unknown, code: ErrorCode): unknown {
  if (!isSystemError(error)) return error
  const fault = FAULTS.get(error.code!)
  return new WeftError(fault?.machine ? 'ERR_STATE' : code, `${doing}: ${fault?.reason ?? 'the system refuses'} (${error.code})`, {
    cause: error,
    ...(fault ? { hint: fault.cure } : {}),
  })
}
