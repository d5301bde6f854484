// Engines of distributed runs: which are installed, where, and what belongs to what where there are several MPIs.
import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { addonFile, native } from '../core/addon.js'
import { ACCELERATORS, type Accelerator, engineOf, libraryOf as devicesOf } from '../core/device_kinds.js'
import { findMpirun, type Mpirun, mpirunAt } from '../distributed/mpirun.js'

export interface DoctorEngine {
  name: string
  /** 'Open MPI 4.1.4'; undefined where none was found, or its files do not say. */
  version: string | undefined
  /** Of MPI the launcher, of NCCL the library. */
  path: string | undefined
  /** The library that ranks open. */
  library: string | undefined
  /** What is missing; undefined where ranks can be started. */
  problem: string | undefined
  /** Further installations, and how they are taken. */
  others: string[]
}

type Family = Mpirun['family']

/** What launchers of MPI are called, besides mpirun itself. */
const LAUNCHERS = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec.hydra', 'orterun', 'prterun']
/** The names under which each family's library is opened; Debian's MPICH has one of its own. */
const LIBRARIES: Readonly<Record<Family, readonly string[]>> = {
  'Open MPI': ['libmpi.so.40', 'libmpi.so.80'],
  MPICH: ['libmpi.so.12', 'libmpich.so.12'],
}

const folders = (list: string | undefined): string[] => (list ?? '').split(path.delimiter).filter((folder) => folder !== '')

/** The file of a command, as a shell finds it. */
function commandPath(command: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (command.includes('/')) return existsSync(command) ? command : undefined
  return folders(environment['PATH'])
    .map((folder) => path.join(folder, command))
    .find((file) => existsSync(file))
}

/** Where the linker finds a library. */
function libraryPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const own = folders(environment['LD_LIBRARY_PATH']).map((folder) => path.join(folder, name))
  const found = own.find((file) => existsSync(file))
  if (found !== undefined) return found
  const command = existsSync('/sbin/ldconfig') ? '/sbin/ldconfig' : 'ldconfig'
  const { stdout } = spawnSync(command, ['-p'], { encoding: 'utf8' })
  return new RegExp(`^\\s*${name.replaceAll('.', '\\.')} .*=> (.+)$`, 'm').exec(stdout ?? '')?.[1]
}

/** The library that a variable names, by path or by name. */
const namedLibrary = (named: string, environment: NodeJS.ProcessEnv): string | undefined => {
  if (named.includes('/')) return existsSync(named) ? named : undefined
  return libraryPath(named, environment)
}

const libraryOf = (family: Family, environment: NodeJS.ProcessEnv): string | undefined =>
  LIBRARIES[family].map((name) => libraryPath(name, environment)).find((file) => file !== undefined)

/** Whose library a file is, by its name and the names that links lead to. */
const familyOf = (library: string): Family | undefined =>
  (Object.keys(LIBRARIES) as Family[]).find((family) =>
    [library, realpathSync(library)].some((file) => LIBRARIES[family].some((name) => path.basename(file).startsWith(name))),
  )

/** Every other launcher on the PATH, one for each MPI. */
function otherLaunchers(taken: string, environment: NodeJS.ProcessEnv): Mpirun[] {
  const seen = new Set([realpathSync(taken)])
  return LAUNCHERS.flatMap((name) => folders(environment['PATH']).map((folder) => path.join(folder, name))).flatMap((file) => {
    if (!existsSync(file) || seen.has(realpathSync(file))) return []
    seen.add(realpathSync(file))
    return mpirunAt(file) ?? []
  })
}

function mpi(environment: NodeJS.ProcessEnv): DoctorEngine {
  const nothing = { name: 'mpi', version: undefined, path: undefined, library: undefined, others: [] }
  if (!existsSync(path.join(path.dirname(addonFile()), 'libweft_mpi.so')))
    return { ...nothing, problem: 'this build of weftjs has no libweft_mpi.so' }
  const taken = findMpirun(environment)
  const file = taken && commandPath(taken.command, environment)
  if (taken === undefined || file === undefined) {
    const named = environment['WEFT_MPIRUN']
    const what = named ? `WEFT_MPIRUN=${named} is no mpirun` : 'no mpirun was found'
    return { ...nothing, problem: `${what}: apt-get install openmpi-bin, or mpich` }
  }
  const named = environment['WEFT_MPI_LIBRARY']
  const library = named ? namedLibrary(named, environment) : libraryOf(taken.family, environment)
  const others = otherLaunchers(file, environment).filter(({ version }) => version !== taken.version)
  return {
    name: 'mpi',
    version: taken.version,
    path: file,
    library,
    problem: problemOf(taken, library, named),
    others: others.map(({ version, command, family }) => {
      const belongs = libraryOf(family, environment)
      return `${version}: ${command}, ${belongs === undefined ? 'without its library' : `library ${belongs}`}; WEFT_MPIRUN=${command} takes it`
    }),
  }
}

function problemOf({ family, version }: Mpirun, library: string | undefined, named: string | undefined): string | undefined {
  if (library === undefined)
    return named
      ? `WEFT_MPI_LIBRARY=${named} was not found`
      : `${version} has no library here (${LIBRARIES[family].join(', ')}): apt-get install ${family === 'MPICH' ? 'libmpich12' : 'libopenmpi3'}`
  const other = familyOf(library)
  if (other === undefined || other === family) return undefined
  return `WEFT_MPI_LIBRARY=${named} is of ${other}, and mpirun is of ${version}: each rank would be alone`
}

/** The engine of a kind of device, whose library says its version where such a device can be used. */
function ofDevices(kind: Accelerator, environment: NodeJS.ProcessEnv): DoctorEngine {
  const name = engineOf(kind)
  const named = environment['WEFT_NCCL_LIBRARY']
  const library = named ? namedLibrary(named, environment) : libraryPath('libnccl.so.2', environment)
  const made = (version: string | undefined, problem: string | undefined): DoctorEngine => ({
    name,
    version,
    path: library,
    library,
    problem,
    others: [],
  })
  if (library === undefined)
    return made(
      undefined,
      named
        ? `WEFT_NCCL_LIBRARY=${named} was not found`
        : 'libnccl.so.2 was not found: ranks on GPUs need it (libnccl2 of NVIDIA, or WEFT_NCCL_LIBRARY names it)',
    )
  const inName = /\.so\.(\d+\.\d+(?:\.\d+)?)$/.exec(realpathSync(library))?.[1]
  const { problem, notes } = devicesOf(kind)
  if (problem !== undefined) return made(inName && `NCCL ${inName}`, undefined)
  try {
    return made(native.engineVersion(name, notes.find(([key]) => key === 'library')![1], library), undefined)
  } catch (error) {
    return made(undefined, (error as Error).message)
  }
}

/** What can move the bytes of distributed runs here. */
export const engines = (environment: NodeJS.ProcessEnv = process.env): DoctorEngine[] => [
  mpi(environment),
  ...ACCELERATORS.map((kind) => ofDevices(kind, environment)),
]
