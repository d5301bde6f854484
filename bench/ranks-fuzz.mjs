// What ranks have to stand: many starts, and many ranks that ask for different things. Nothing is measured; what is
// wrong is printed with the seed that shows it, and the exit code is 1.
// Usage: node bench/ranks-fuzz.mjs mismatches [--count 1000] [--seed 1] [--mpi openmpi|mpich] [--ranks 2]
//        node bench/ranks-fuzz.mjs starts [--count 200] [--mpi openmpi|mpich] [--ranks 2]
//        node bench/ranks-fuzz.mjs phases [--count 1] [--mpi openmpi|mpich] [--ranks 3]
// phases: one rank is killed, stopped, or ends, in each phase of a run. --seconds N: ends after so many for each MPI.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { LAUNCHERS, startRanks } from './network.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    mpi: { type: 'string' },
    ranks: { type: 'string' },
    seconds: { type: 'string', default: '100000' },
  },
})
const ranks = Number(values.ranks ?? (positionals[0] === 'phases' ? 3 : 2))
const programs = path.join(import.meta.dirname, '../dist/test/distributed/programs')

/**
 * Starts a program, and resolves with what each rank says. Where this process was stopped meanwhile, its ranks may have
 * been too, and have missed each other's signs of life: that start says nothing, and is repeated.
 */
async function start(launcher, program, args) {
  for (;;) {
    let [last, longest] = [performance.now(), 0]
    const look = () => ([last, longest] = [performance.now(), Math.max(longest, performance.now() - last)])
    const watch = setInterval(look, 100)
    const result = await startOnce(launcher, program, args)
    clearInterval(watch)
    look()
    if (longest < 2000) return result
    console.log(`${launcher.name}, ${program} ${args.join(' ')}: stopped for ${(longest / 1000).toFixed(1)} s, once more`)
  }
}

async function startOnce(launcher, program, args) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-ranks-'))
  const began = performance.now()
  const { code, output } = await startRanks(launcher, ranks, [process.execPath, path.join(programs, `${program}.js`), ...args], {
    environment: { WEFT_SAID: folder },
  })
  const said = readdirSync(folder)
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')))
  rmSync(folder, { recursive: true })
  return { said, code, output, ms: performance.now() - began }
}

/** How many processes have the text among their arguments. */
function processesOf(text) {
  const has = (id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(text)
    } catch {
      return false
    }
  }
  return readdirSync('/proc').filter((id) => /^\d+$/.test(id) && has(id)).length
}

let wrong = 0
async function many(name, count, one) {
  for (const launcher of LAUNCHERS.filter(({ command }) => values.mpi === undefined || command.endsWith(values.mpi))) {
    let [done, most] = [0, 0]
    const until = performance.now() + Number(values.seconds) * 1000
    for (; done < count && performance.now() < until; done++) {
      const { problem, ms } = await one(launcher, done)
      most = Math.max(most, ms)
      if (problem === undefined) continue
      wrong++
      console.log(`${launcher.name}, ${name} ${done}: ${problem}`)
    }
    console.log(`${launcher.name}, ${ranks} ranks: ${done} ${name}, the longest took ${(most / 1000).toFixed(1)} s`)
  }
}

if (positionals[0] === 'mismatches')
  await many('mismatches', Number(values.count ?? 1000), async (launcher, i) => {
    const seed = Number(values.seed) + i
    const { said, code, output, ms } = await start(launcher, 'mismatch', [String(seed)])
    const good = said.length === ranks && said.every((one) => one.code === 'ERR_DISTRIBUTED' && /the ranks disagree/.test(one.message))
    // a rank that goes on alone after the others have ended is told so
    return { ms, problem: good ? undefined : `seed ${seed}, exit code ${code}: ${JSON.stringify(said)} ${output}` }
  })
else if (positionals[0] === 'starts')
  await many('starts', Number(values.count ?? 200), async (launcher) => {
    const { said, code, output, ms } = await start(launcher, 'start', [])
    const good = code === 0 && said.length === ranks && said.every((one) => one.sum === (ranks * (ranks - 1)) / 2)
    return { ms, problem: good ? undefined : `exit code ${code}: ${JSON.stringify(said)} ${output}` }
  })
else if (positionals[0] === 'phases') {
  const phases = ['rendezvous', 'begin of fit', 'load', 'step', 'epoch end', 'collective', 'save']
  const rows = ['kill', 'stop', 'exit'].flatMap((what) => phases.flatMap((phase) => [-1, 0].map((victim) => ({ what, phase, victim }))))
  await many('phases', rows.length * Number(values.count ?? 1), async (launcher, i) => {
    const { what, phase, victim } = rows[i % rows.length]
    const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-phase-'))
    const { said, code, output, ms } = await start(launcher, 'phases', [what, phase, String(victim), path.join(folder, 'time')])
    const left = processesOf(folder)
    rmSync(folder, { recursive: true })
    // MPICH's mpirun ends all ranks as soon as one was killed or has failed, and Open MPI's while they meet
    const early = launcher.name === 'MPICH' ? what === 'kill' || phase === 'rendezvous' : phase === 'rendezvous' && what !== 'stop'
    const limit = phase === 'rendezvous' ? 3000 + 2000 : what === 'stop' ? 4 * 250 + 2000 : 2000
    // mpirun wakes a rank that was stopped, to end it
    const others = said.filter(({ rank }) => rank !== (victim + ranks) % ranks)
    const good =
      others.length === (early ? others.length : ranks - 1) && others.every((one) => one.code === 'ERR_DISTRIBUTED' && one.ms < limit)
    const text = others.map((one) => `${one.rank}: ${one.ms} ms ${one.message ?? one.value}`).join(' | ')
    console.log(`${launcher.name}, ${what} of rank ${victim} in ${phase}: ${text}`)
    return {
      ms,
      problem: good && code !== 0 && left === 0 ? undefined : `${what} of ${victim} in ${phase}: ${left} left, ${code}, ${output}`,
    }
  })
} else throw new Error('say what: mismatches, starts or phases')
process.exitCode = wrong === 0 ? 0 : 1
