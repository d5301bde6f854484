// The device table: all that TypeScript knows of each kind of device. A backend is a row here, and no other file of
// lib names one.
import { native } from './addon.js'
import { WeftError } from './error.js'
import type { Engine, ProgramSpec } from './native.js'
import { warnOnce } from './warnings.js'

/** What looking for devices of a kind found. */
export interface DeviceLibrary {
  /** Ids of the devices that can be used, in the addon's order. */
  readonly ids: readonly string[]
  /** Why there is none. */
  readonly problem: string | undefined
  /** Why the library that a setting names could not be opened. */
  readonly ignored: string | undefined
  readonly emulated: boolean
  /** Everything the library had to say, by key. */
  readonly notes: readonly (readonly [string, string])[]
}

interface Row {
  /** In sentences. */
  readonly title: string
  readonly precisions: readonly ProgramSpec['precision'][]
  /** What moves bytes between the ranks of a distributed run. */
  readonly engine: Engine
}

interface AcceleratorRow extends Row {
  /** The variable whose value 1 makes the import fail where no such device can be used. */
  readonly required: string
  /** The variable that names another library than the one beside the addon. */
  readonly setting: string
  /** Opens the library, once per process. */
  readonly open: (path: string | undefined) => [string, string][]
  /** What to do where no such device can be used. */
  readonly cure: (problem: string) => string
}

const REPORT = '`npx weftjs doctor` lists what was found'

/** A kind of device beside the CPU. */
export type Accelerator = 'cuda'
export type DeviceKind = 'cpu' | Accelerator

/** Devices beside the CPU, best first. */
const accelerators: Readonly<Record<Accelerator, AcceleratorRow>> = {
  cuda: {
    title: 'CUDA device',
    engine: 'nccl',
    precisions: ['float32', 'tf32', 'mixedBfloat16'],
    required: 'WEFT_REQUIRE_CUDA',
    setting: 'WEFT_CUDA_LIBRARY',
    open: (path) => native.openCuda(path),
    cure: (problem) => {
      if (problem.includes('no CUDA library'))
        return `Use setDevice('cpu'), or build it with WEFT_CUDA=ON npx weftjs build, which needs nvcc (the CUDA toolkit); ${REPORT}`
      if (problem.includes('driver')) return `Install or update NVIDIA's driver, or use setDevice('cpu'); ${REPORT}`
      return `Use setDevice('cpu'); ${REPORT}`
    },
  },
}

export const ACCELERATORS: readonly Accelerator[] = Object.keys(accelerators) as Accelerator[]

const rows: Readonly<Record<DeviceKind, Row>> = {
  // products in tf32 are allowed to be as exact as float32; rounding to bfloat16 only where it is faster
  cpu: {
    title: 'CPU',
    engine: 'mpi',
    precisions: native.multipliesBfloat16 ? ['float32', 'tf32', 'mixedBfloat16'] : ['float32', 'tf32'],
  },
  ...accelerators,
}

/** The kind of the device `id`; undefined where the text is no id. */
export function kindOf(id: string): DeviceKind | undefined {
  if (id === 'cpu') return id
  return ACCELERATORS.find((kind) => id === kind || (id.startsWith(`${kind}:`) && /^\d+$/.test(id.slice(kind.length + 1))))
}

/** What moves bytes between ranks whose tensors lie on devices of this kind. */
export const engineOf = (kind: DeviceKind): Engine => rows[kind].engine

export const isAccelerator = (kind: DeviceKind): kind is Accelerator => kind !== 'cpu'

const found = new Map<Accelerator, DeviceLibrary>()

/** What there is of a kind: its library is opened at the first call. */
export function libraryOf(kind: Accelerator): DeviceLibrary {
  let library = found.get(kind)
  if (library === undefined) {
    const { setting, open, title } = accelerators[kind]
    const path = process.env[setting] || undefined
    const notes = open(path)
    const all = (key: string): string[] => notes.filter(([name]) => name === key).map(([, text]) => text)
    const ids = all('device')
    const problem = all('problem')[0] ?? (ids.length === 0 ? `no ${title} was found` : undefined)
    // a library that was opened says which release made it
    const opened = all('runtime').length > 0
    library = { ids, problem, ignored: path === undefined || opened ? undefined : problem, emulated: all('emulated').length > 0, notes }
    found.set(kind, library)
  }
  return library
}

/** Warns, once, of a library that a setting names and that could not be opened. */
export function warnOfIgnored(): void {
  for (const kind of ACCELERATORS) {
    const { ignored } = libraryOf(kind)
    const { setting, title } = accelerators[kind]
    if (ignored !== undefined)
      warnOnce('WEFT_LIBRARY', `${setting}='${process.env[setting]}' cannot be used, and with it no ${title}: ${ignored}`, setting)
  }
}

let ids: readonly string[] | undefined

/** The ids of all devices beside the CPU that can be used, in the addon's order. */
export function acceleratorIds(): readonly string[] {
  if (ids === undefined) ids = ACCELERATORS.flatMap((kind) => libraryOf(kind).ids)
  return ids
}

/** Ids to choose from where none is named. Kernels that are emulated on the CPU are only used where they are named. */
export const idsByDefault = (): string[] => ACCELERATORS.flatMap((kind) => (libraryOf(kind).emulated ? [] : libraryOf(kind).ids))

/** ERR_NO_DEVICE with the reason and the cure, where no device of the kind can be used. */
export function usable(kind: Accelerator, asked: (problem: string) => string): DeviceLibrary {
  const library = libraryOf(kind)
  if (library.problem !== undefined)
    throw new WeftError('ERR_NO_DEVICE', asked(library.problem), { hint: accelerators[kind].cure(library.problem) })
  return library
}

/**
 * The device of a rank that is the n-th of its host: the n-th one there, or the only one that this process may see.
 * `path`: the library of its kind.
 * @throws ERR_NO_DEVICE where there is none
 */
export function deviceOfRank(engine: Engine, localRank: number): { id: string; path: string } {
  const kind = ACCELERATORS.find((one) => rows[one].engine === engine)!
  const { ids, notes } = usable(kind, (problem) => `distributed.init: engine '${engine}' needs a ${rows[kind].title}: ${problem}`)
  const id = ids[localRank] ?? (ids.length === 1 ? ids[0] : undefined)
  if (id === undefined)
    throw new WeftError('ERR_NO_DEVICE', `distributed.init: this is rank ${localRank} of its host, which has ${ids.length} devices`, {
      hint: 'Start one rank for each device',
    })
  return { id, path: notes.find(([key]) => key === 'library')![1] }
}

/** Throws ERR_ARGUMENT for a variable that is neither 0 nor 1. */
export function checkRequired(): void {
  for (const { required } of Object.values(accelerators)) {
    const value = process.env[required]
    if (value && !/^[01]$/.test(value))
      throw new WeftError('ERR_ARGUMENT', `${required}='${value}' is not 0 or 1`, { hint: `Unset ${required}, or correct it` })
  }
}

/** ERR_ARGUMENT unless the kind of device computes in this precision. */
export function checkPrecision(what: string, id: string, precision: ProgramSpec['precision'] | undefined): void {
  const kind = kindOf(id)!
  if (precision === undefined || rows[kind].precisions.includes(precision)) return
  const able = ACCELERATORS.filter((other) => rows[other].precisions.includes(precision))
  const titles = [...able.map((other) => `a ${rows[other].title}`), 'a processor with AVX-512 BF16'].join(' or ')
  throw new WeftError('ERR_ARGUMENT', `${what}: precision '${precision}' needs ${titles}; this ${rows[kind].title} computes in float32`, {
    hint: `Use 'float32', or setDevice('${able[0]}') first`,
  })
}

for (const kind of ACCELERATORS) {
  const { required } = accelerators[kind]
  if (process.env[required] === '1') usable(kind, (problem) => `${required}=1, but ${problem}`)
}
