// Resident memory: training steps, ops in a synchronous loop, programs loaded and dropped, workers terminated in the
// middle of a step.
import { Report, readOptions } from './shared/report.mjs'
import { Side } from './shared/side.mjs'

const options = readOptions()
const report = new Report('Resident memory', options)
const MiB = 2 ** 20

const parts = {
  trainingSteps: '10,000 training steps',
  eagerOps: '1,000,000 ops in one synchronous loop',
  largeEagerOps: '20,000 ops of 1 MiB in one synchronous loop',
  droppedPrograms: '1,000 programs loaded and dropped',
  collectedPrograms: '1,000 programs left to the garbage collector',
  terminatedWorkers: '20 workers terminated in the middle of a step',
}

for (const [part, title] of Object.entries(parts)) {
  // A process each: what one part leaves behind must not hide in the next.
  const side = new Side(title, process.execPath, ['weft/memory.mjs'], { WEFT_DEVICE: 'cpu' })
  const { samples, ...raw } = await side.request({ command: part, scale: options.quick ? 0.1 : 1 })
  side.close()
  // The first fifth loads code and fills caches; the garbage collector makes a sawtooth of the rest, whose peaks are
  // compared.
  const [first, second] = [samples.length / 5, (samples.length * 3) / 5].map(Math.floor)
  const growth = (Math.max(...samples.slice(second)) - Math.max(...samples.slice(first, second))) / MiB
  report.row({
    name: `${title}: growth`,
    measured: growth,
    unit: `MiB, of ${Math.round(samples.at(-1) / MiB)} MiB`,
    value: growth,
    goal: 16,
    atMost: true,
    raw: { samples, ...raw },
  })
}
report.finish()
