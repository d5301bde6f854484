// Repository: the models that are served, by name and version. A version is loaded and warm before the one before it is
// let go; one that cannot be loaded leaves what was there.
import { realpath } from 'node:fs/promises'
// saved models name layers, losses and metrics, which the package's modules register
import '../../index.js'
import { WeftError } from '../../core/error.js'
import { systemError } from '../../core/system_error.js'
import type { LoadOptions } from '../../io/index.js'
import type { AnyModel } from '../../model/model.js'
import { loadVersion, type Protection } from '../publishing/load_published.js'
import { ModelKeys } from '../publishing/model_keys.js'
import { invalid, named } from '../protocol/tensors.js'
import type { SchedulerOptions } from '../scheduler.js'
import { ServedModel, type Watch } from '../served_model.js'
import { checkRepository, findModel, fingerprint, type FoundModel, modelNames } from './folder.js'
import { type Answering, Rollout } from './rollout.js'
import { chosen, MODEL_NAME, VERSION } from './settings.js'

export type VersionState = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE'

/** A line of the index. Models that were never loaded have a name alone. */
export interface IndexEntry {
  readonly name: string
  readonly version?: string
  readonly state?: VersionState
  readonly reason?: string
}

interface Version {
  state: VersionState
  reason: string
  served: ServedModel | undefined
  /** Of the files it was loaded from; undefined: it was given by the program, and is not disposed of. */
  fingerprint: string | undefined
}

interface Entry {
  readonly versions: Map<number, Version>
  labels: ReadonlyMap<string, number>
  rollout?: Rollout | undefined
  /** The rollout that was rolled back: it is not begun again before its files or settings change. */
  rolledBack?: string | undefined
}

export interface RepositoryOptions {
  readonly batching: SchedulerOptions
  readonly load: LoadOptions
  /** Default: signatures are not asked for, and there are no keys. */
  readonly protection?: Protection
  readonly watch?: Watch
  /** Told of loads that failed outside a request. */
  readonly failed?: (model: string, error: unknown) => void
  /** Told of a canary that was rolled back. */
  readonly rolledBack?: (model: string, version: number, reason: string) => void
}

const DEFAULT_LABEL = 'stable'
const CANARY_LABEL = 'canary'

export class Repository {
  private readonly entries = new Map<string, Entry>()
  /** The last thing that is to be done with a model. */
  private readonly turns = new Map<string, Promise<void>>()
  private readonly retiring = new Set<Promise<void>>()

  private constructor(
    private readonly root: string | undefined,
    private readonly options: RepositoryOptions,
  ) {}

  /** `root` undefined: only models that the program gives. ERR_ARGUMENT where there is no such folder. */
  static async open(root: string | undefined, options: RepositoryOptions): Promise<Repository> {
    if (root === undefined) return new Repository(undefined, options)
    const real = await realpath(root).catch((cause: unknown) => {
      throw new WeftError('ERR_ARGUMENT', `serve: there is no folder ${root}`, {
        cause,
        hint: "Save a model there: net.save('models/digits/1')",
      })
    })
    await checkRepository('serve', real).catch((error: unknown) => {
      throw systemError(`serve: ${root} cannot be read`, error, 'ERR_ARGUMENT')
    })
    return new Repository(real, options)
  }

  /** Serves a model of the program as version 1. */
  async add(name: string, model: AnyModel): Promise<void> {
    if (!MODEL_NAME.test(name))
      throw invalid(`serve: a model cannot have the name ${named('', name)}`, 'Use letters, digits, ".", "_" and "-"')
    const served = await this.warm(new ServedModel(name, '1', model, this.options.batching, this.options.watch))
    this.entry(name).versions.set(1, { state: 'READY', reason: '', served, fingerprint: undefined })
  }

  /** Names that can be loaded. */
  async names(): Promise<string[]> {
    return this.root === undefined ? [] : modelNames(this.root)
  }

  /** The version that answers: by number or label; without one that of the label 'stable', else the newest. */
  resolve(name: string, wanted = ''): ServedModel {
    const entry = this.entries.get(name)
    if (entry === undefined) throw new WeftError('ERR_NOT_FOUND', `${named('model', name)} is unknown`)
    if (wanted === '') {
      // asked for with every request: nothing is made on the way
      const labelled = entry.labels.size > 0 ? entry.versions.get(entry.labels.get(DEFAULT_LABEL) ?? -1) : undefined
      if (labelled?.state === 'READY') return labelled.served!
      let newest = -1
      let found: ServedModel | undefined
      for (const [version, { state, served }] of entry.versions)
        if (state === 'READY' && version > newest) [newest, found] = [version, served]
      if (found) return found
      throw new WeftError('ERR_UNAVAILABLE', `${named('model', name)} has no version that is ready`)
    }
    const number = VERSION.test(wanted) ? Number(wanted) : entry.labels.get(wanted)
    const version = number === undefined ? undefined : entry.versions.get(number)
    if (version === undefined) throw new WeftError('ERR_NOT_FOUND', `${named('model', name)} has no ${named('version', wanted)}`)
    if (version.state !== 'READY')
      throw new WeftError('ERR_UNAVAILABLE', `${named('model', name)}: ${named('version', wanted)} is not ready`)
    return version.served!
  }

  /** What answers a request: two versions share those that name none, while one of them is tried out. */
  answering(name: string, wanted = ''): Answering {
    const rollout = wanted === '' ? this.entries.get(name)?.rollout : undefined
    return rollout ?? this.resolve(name, wanted)
  }

  /** Versions that are tried out. */
  get rollouts(): Rollout[] {
    return [...this.entries.values()].flatMap(({ rollout }) => (rollout ? [rollout] : []))
  }

  /** Versions that are ready, of one model or all. */
  ready(name?: string): ServedModel[] {
    const entries = name === undefined ? [...this.entries.values()] : [this.entries.get(name)]
    return entries.flatMap((entry) =>
      [...(entry?.versions ?? [])].sort(([a], [b]) => a - b).flatMap(([, { state, served }]) => (state === 'READY' ? [served!] : [])),
    )
  }

  /** Labels that name the version. */
  labelsOf(name: string, version: number): string[] {
    return [...(this.entries.get(name)?.labels ?? [])].flatMap(([label, of]) => (of === version ? [label] : [])).sort()
  }

  async index(): Promise<IndexEntry[]> {
    const names = [...new Set([...(await this.names()), ...this.entries.keys()])].sort()
    return names.flatMap((name): IndexEntry[] => {
      const versions = [...(this.entries.get(name)?.versions ?? [])].sort(([a], [b]) => a - b)
      if (versions.length === 0) return [{ name }]
      return versions.map(([version, { state, reason }]) => ({ name, version: `${version}`, state, reason }))
    })
  }

  /**
   * Loads the versions that the model's policy picks, and lets the others go. Rejects when one cannot be loaded; what
   * was served still is.
   */
  load(name: string): Promise<void> {
    return this.inTurn(name, () => this.loadNow(name))
  }

  /** Takes the model out; resolves when what it had accepted was answered. */
  async unload(name: string): Promise<void> {
    if (!this.entries.has(name)) throw new WeftError('ERR_NOT_FOUND', `${named('model', name)} is unknown`)
    await this.inTurn(name, async () => {
      const entry = this.entry(name)
      entry.rollout = undefined
      await Promise.all([...entry.versions].map(([, version]) => this.retire(version, 'unloaded')))
      entry.labels = new Map()
    })
  }

  /** Loads what is new or was changed in the folder, and takes out what is gone. */
  async refresh(): Promise<void> {
    const names = await this.names()
    for (const name of names) await this.load(name).catch((error: unknown) => this.options.failed?.(name, error))
    for (const [name, { versions }] of this.entries) {
      const fromFolder = [...versions.values()].some(({ state, fingerprint }) => state === 'READY' && fingerprint !== undefined)
      if (fromFolder && !names.includes(name)) await this.unload(name)
    }
  }

  /** Answers what was accepted, and frees everything. */
  async close(): Promise<void> {
    await Promise.all([...this.entries.keys()].map((name) => this.unload(name)))
    await Promise.all(this.retiring)
  }

  private entry(name: string): Entry {
    let entry = this.entries.get(name)
    if (entry === undefined) this.entries.set(name, (entry = { versions: new Map(), labels: new Map() }))
    return entry
  }

  /** Loads and unloads of one model never overlap. */
  private inTurn<T>(name: string, fn: () => Promise<T>): Promise<T> {
    const done = (this.turns.get(name) ?? Promise.resolve()).then(fn)
    const turn = done.then(
      () => undefined,
      () => undefined,
    )
    this.turns.set(name, turn)
    void turn.then(() => this.turns.get(name) === turn && this.turns.delete(name))
    return done
  }

  private async loadNow(name: string): Promise<void> {
    const found = this.root === undefined ? undefined : await findModel(this.root, name)
    if (found === undefined) throw new WeftError('ERR_NOT_FOUND', `${named('model', name)} is not in the repository`)
    const { versionPolicy, labels: given = {} } = found.settings
    const wanted = chosen([...found.versions.keys()], versionPolicy, Object.values(given))
    if (wanted.length === 0) throw new WeftError('ERR_NOT_FOUND', `${named('model', name)} has no version that its policy picks`)
    const entry = this.entry(name)
    const failures: unknown[] = []
    for (const version of wanted) await this.loadVersion(entry, found, version).catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
    const labels = new Map(Object.entries(given))
    for (const [label, version] of labels)
      if (!wanted.includes(version))
        throw new WeftError('ERR_STATE', `${named('model', name)}: label '${label}' names version ${version}, which is not loaded`)
    this.follow(entry, found, labels)
    for (const [version, state] of entry.versions) if (!wanted.includes(version)) void this.retire(state, 'unloaded')
  }

  /** Takes over the labels, and begins or ends the trial of a version. */
  private follow(entry: Entry, { name, settings }: FoundModel, labels: Map<string, number>): void {
    const [stable, canary] = [labels.get(DEFAULT_LABEL), labels.get(CANARY_LABEL)]
    const { canary: trial } = settings
    const isTried = trial !== undefined && stable !== undefined && canary !== undefined && stable !== canary
    if (!isTried) {
      Object.assign(entry, { labels, rollout: undefined, rolledBack: undefined })
      return
    }
    const at = (version: number): ServedModel => this.resolve(name, `${version}`)
    const print = JSON.stringify([trial, stable, canary, entry.versions.get(canary)?.fingerprint])
    if (entry.rolledBack === print) {
      entry.labels = labels.set(CANARY_LABEL, stable)
      return
    }
    if (JSON.stringify(at(stable).signature) !== JSON.stringify(at(canary).signature))
      throw new WeftError('ERR_STATE', `${named('model', name)}: version ${canary} takes or gives other tensors than version ${stable}`, {
        hint: 'A canary answers the same requests; give a version with other ones a name of its own',
      })
    entry.labels = labels
    entry.rolledBack = undefined
    if (entry.rollout?.print === print) return
    const rollBack = (reason: string): void => {
      entry.rollout = undefined
      entry.rolledBack = print
      entry.labels = new Map(entry.labels).set(CANARY_LABEL, stable)
      const version = entry.versions.get(canary)
      if (version) version.reason = `rolled back: ${reason}`
      this.options.rolledBack?.(name, canary, reason)
    }
    entry.rollout = new Rollout(
      name,
      trial,
      print,
      () => at(stable),
      () => at(canary),
      rollBack,
    )
  }

  private async loadVersion(entry: Entry, found: FoundModel, version: number): Promise<void> {
    const folder = found.versions.get(version)!
    const print = `${await fingerprint(folder)} ${JSON.stringify(found.settings.batching ?? {})}`
    const before = entry.versions.get(version)
    if (before?.state === 'READY' && before.fingerprint === print) return
    if (before?.state !== 'READY') entry.versions.set(version, { state: 'LOADING', reason: '', served: undefined, fingerprint: print })
    let model: AnyModel | undefined
    try {
      const protection = this.options.protection ?? { keys: new ModelKeys([]), trust: undefined }
      model = await loadVersion(folder, { model: found.name, version }, protection, this.options.load)
      const batching = { ...this.options.batching, ...found.settings.batching }
      const served = await this.warm(new ServedModel(found.name, `${version}`, model, batching, this.options.watch))
      entry.versions.set(version, { state: 'READY', reason: '', served, fingerprint: print })
      if (before?.state === 'READY') void this.retire(before, 'replaced')
    } catch (error) {
      model?.dispose()
      const reason = this.withoutPaths((error as Error).message)
      // what was there goes on; the next load tries again
      if (before?.state === 'READY') before.reason = `the new files cannot be loaded: ${reason}`
      else entry.versions.set(version, { state: 'UNAVAILABLE', reason, served: undefined, fingerprint: undefined })
      throw error
    }
  }

  private async warm(served: ServedModel): Promise<ServedModel> {
    try {
      await served.warm()
      return served
    } catch (error) {
      await served.close()
      throw error
    }
  }

  private retire(version: Version, reason: string): Promise<void> {
    const { served, fingerprint: print } = version
    if (served === undefined || version.state !== 'READY') return Promise.resolve()
    version.state = 'UNLOADING'
    const done = served.close().then(() => {
      if (print !== undefined) served.model.dispose()
      Object.assign(version, { state: 'UNAVAILABLE', reason, served: undefined })
      this.retiring.delete(done)
    })
    this.retiring.add(done)
    return done
  }

  /** Reasons are shown to clients. */
  private withoutPaths(message: string): string {
    return this.root === undefined ? message : message.replaceAll(`${this.root}/`, '').replaceAll(this.root, 'the repository')
  }
}
