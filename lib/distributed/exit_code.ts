// Exit code: a rank that lost another one, and catches no error, ends with 75, so that whoever started it tries again.
import { WeftError } from '../core/error.js'

/** As EX_TEMPFAIL of sysexits.h: nothing is wrong with the program, and another start may succeed. */
export const TRY_AGAIN = 75

/** Whether another rank is the reason. Ranks that disagree would disagree again. */
export function isLoss(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause)
    if (
      one instanceof WeftError &&
      one.code === 'ERR_DISTRIBUTED' &&
      /\b(was lost|has ended|came within|cannot reach rank)\b/.test(one.message)
    )
      return true
  return false
}

/** From now on an error that nothing catches ends this process with TRY_AGAIN where it is such a loss. */
export function exitOnLoss(): void {
  let lost = false
  // looks on, and changes nothing of what Node does with the error
  process.on('uncaughtExceptionMonitor', (error) => {
    lost = isLoss(error)
  })
  process.on('exit', (code) => {
    if (lost && code === 1) process.exitCode = TRY_AGAIN
  })
}
