// watch: a repository that follows its folder.
import type { Logger } from 'pino'
import type { Repository } from './repository.js'

const WATCH_MS = 2000

/** Follows the folder; the next look begins some time after the one before it ended. */
export function watch(repository: Repository, log: Logger): () => Promise<void> {
  let stopped = false
  let looking: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout
  const later = (): void => {
    timer = setTimeout(() => {
      looking = repository
        .refresh()
        .catch((err: unknown) => log.error({ err }, 'the repository cannot be read'))
        .then(() => {
          if (!stopped) later()
        })
    }, WATCH_MS)
    timer.unref()
  }
  later()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await looking
  }
}
