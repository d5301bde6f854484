// Settings of a model in a repository: <model>/serve.json, which may be absent.
import { WeftError } from '../../core/error.js'
import { integer } from '../../core/checks.js'
import { checkOptions, type OptionTable, show } from '../../core/options.js'
import { SCHEDULER_OPTIONS } from '../batcher.js'
import type { SchedulerOptions } from '../scheduler.js'
import { type CanarySettings, checkCanary } from './rollout.js'

/** Which versions are served: the newest n, all, or those listed. */
export type VersionPolicy = 'all' | { readonly latest: number } | { readonly specific: readonly number[] }

export interface ModelSettings {
  /** Default: the newest one, and those that labels name. */
  versionPolicy?: VersionPolicy
  /** Names of versions: { stable: 3, canary: 4 }. Requests that name no version go to 'stable', where there is one. */
  labels?: Record<string, number>
  batching?: SchedulerOptions
  /** What the version of the label 'canary' is asked beside that of 'stable', and when it is rolled back. */
  canary?: CanarySettings
}

export const MODEL_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
export const VERSION: RegExp = /^[1-9][0-9]{0,14}$/
export const LABEL: RegExp = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/

const SETTINGS: OptionTable<ModelSettings> = { versionPolicy: 'any', labels: 'object', batching: 'object', canary: 'object' }

/** Throws ERR_FORMAT that names the model for what is not as described above. */
export function settingsOf(model: string, text: string): ModelSettings {
  try {
    return check(JSON.parse(text))
  } catch (error) {
    throw new WeftError('ERR_FORMAT', `serve.json of model '${model}': ${(error as Error).message}`, { cause: error })
  }
}

function check(value: unknown): ModelSettings {
  checkOptions('serve.json', value ?? null, SETTINGS)
  const settings = value as ModelSettings
  const { versionPolicy, labels = {}, batching, canary } = settings
  checkOptions('batching', batching, SCHEDULER_OPTIONS)
  if (versionPolicy !== undefined && versionPolicy !== 'all') {
    const wrong = new WeftError('ERR_ARGUMENT', `versionPolicy is 'all', { latest: n } or { specific: [...] }, got ${show(versionPolicy)}`)
    if (typeof versionPolicy !== 'object' || versionPolicy === null || Object.keys(versionPolicy).length !== 1) throw wrong
    if ('latest' in versionPolicy) integer('versionPolicy', 'latest', versionPolicy.latest, 1)
    else if ('specific' in versionPolicy && Array.isArray(versionPolicy.specific))
      for (const version of versionPolicy.specific) integer('versionPolicy', 'a version', version, 1)
    else throw wrong
  }
  for (const [label, version] of Object.entries(labels)) {
    if (!LABEL.test(label))
      throw new WeftError('ERR_ARGUMENT', `a label begins with a letter and has letters, digits, '.', '_' and '-', got ${show(label)}`)
    integer('labels', label, version, 1)
  }
  if (canary !== undefined) {
    checkCanary(canary)
    for (const label of ['stable', 'canary'])
      if (!Object.hasOwn(labels, label))
        throw new WeftError('ERR_ARGUMENT', `canary needs the labels 'stable' and 'canary', '${label}' is missing`)
  }
  return settings
}

/** The versions that the policy picks, the newest last. Without one: the newest, and those that labels name. */
export function chosen(versions: readonly number[], policy?: VersionPolicy, labelled: readonly number[] = []): number[] {
  const sorted = [...versions].sort((a, b) => a - b)
  if (policy === undefined) return sorted.filter((version, i) => i === sorted.length - 1 || labelled.includes(version))
  if (policy === 'all') return sorted
  if ('latest' in policy) return sorted.slice(-policy.latest)
  return sorted.filter((version) => policy.specific.includes(version))
}
