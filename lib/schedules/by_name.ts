// Schedules by name, from saved optimizers.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import * as factories from './factories.js'
import type { Schedule } from './schedule.js'

export type ScheduleName = keyof typeof factories

const named: Readonly<Record<ScheduleName, (options: never) => Schedule>> = factories

/** @internal The schedule that a saved { className, config } describes. */
export function scheduleFromJson(json: { className: string; config: object }): Schedule {
  if (!Object.hasOwn(named, json.className))
    throw new WeftError('ERR_FORMAT', `unknown schedule ${show(json.className)} in a saved optimizer`)
  return named[json.className as ScheduleName](json.config as never)
}
