// Certificates: those of the server, read again when their files change.
import { isPem, type Pem, pemOf, type TlsOptions } from './security.js'
import { WatchedFiles } from './watched_files.js'

const CHECK_MS = 1000

/**
 * ERR_ARGUMENT where they cannot be used. `failed` is told when they cannot later on; the old ones stay. While one half
 * of a pair is new and the other is not, that is so. New connections get the new certificate; those there are stay.
 */
export function watchCertificates(options: TlsOptions, failed: (error: unknown) => void): WatchedFiles<Pem> {
  const given = [options.cert, options.key, options.ca].filter((value) => value !== undefined)
  const files = given.filter((value) => !isPem(value))
  return new WatchedFiles(files, () => pemOf(options), failed, CHECK_MS)
}
