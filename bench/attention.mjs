// Transformers against PyTorch on one thread (--threads 2: on two): the training step of a small GPT, and attention
// alone.
import { rmSync } from 'node:fs'
import { goals, restOfAttention, restOfGpt } from './shared/goals.mjs'
import { operationsOf, pairsOf, writeGpt } from './shared/gpt.mjs'
import { best, interleave } from './shared/measure.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { torchSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '9' },
  only: { type: 'string', default: '' },
  profile: { type: 'boolean', default: false },
})
const threads = Number(options.threads)
const rounds = options.quick ? 5 : Number(options.rounds)
const report = new Report(`Transformers, float32, ${threads} thread(s): µs, best of ${rounds} interleaved rounds or more`, options)

const gpt = { blocks: 4, time: 128, positions: 128, width: 128, inner: 512, heads: 4, batch: 8, vocabulary: 96 }

/** Scores and the mean of the values; the gradients take twice as many again, without what they recompute. */
const operationsOfAttention = ({ batch, queries, keys, width, causal = false, pass }) =>
  4 * batch * (causal ? pairsOf(queries) : queries * keys) * width * (pass === 'forward' ? 1 : 3)

const settings = threads === 1 ? [{}] : [{}, { openblasThreads: threads }]
const weft = weftSide('attention.mjs', threads)
const torches = settings.map((setting) => torchSide('attention.py', threads, setting))
/** The peer's variants in all its settings, as sides to be timed. */
const peers = (variants, request) =>
  Object.fromEntries(
    torches.flatMap((torch, i) =>
      variants.map((variant) => [`pytorch ${variant}${i > 0 ? ' openblas' : ''}`, () => torch.request({ ...request, variant })]),
    ),
  )
let version
const peak = await Peak.start(threads)

if ('step'.includes(options.only) || options.profile) {
  const request = writeGpt(gpt)
  const [, loaded] = await Promise.all([weft, ...torches].map((side) => side.request({ command: 'load', ...request })))
  version = loaded.version
  const check = { command: 'check', count: 6, epsilon: 1e-12 }
  const { losses } = await weft.request(check)
  for (const variant of loaded.variants) {
    const { losses: expected } = await torches[0].request({ ...check, variant })
    report.check(`GPT: losses of 6 steps, Weft against PyTorch ${variant}`, relativeDifference(losses, expected), 1e-4)
  }
  if (options.profile) {
    const { profile } = await weft.request({ command: 'profiled', count: 10 })
    console.log(JSON.stringify(profile, null, 1))
  } else {
    const steps = { command: 'steps', count: options.quick ? 4 : 8 }
    const figures = await interleave(peak.beside({ weft: () => weft.request(steps), ...peers(loaded.variants, steps) }, restOfGpt(gpt)), {
      rounds,
    })
    const torch = best(figures, 'pytorch')
    report.compare('GPT, 4 blocks of 128, batch 8 × 128, training step', figures.weft, torch, {
      goal: threads === 1 ? goals.gpt : undefined,
      peak: peak.compare(figures, torch, operationsOf(gpt)),
    })
  }
  rmSync(request.folder, { recursive: true })
}

const shape = { batch: 8, queries: 128, keys: 128, heads: 4, width: 128 }
const kernels = [
  { name: 'attention 8×128, 4 heads of 32', ...shape },
  { name: 'attention 8×128, 4 heads of 32, causal', ...shape, causal: true },
  { name: 'attention 2×512, 8 heads of 64, causal', batch: 2, queries: 512, keys: 512, heads: 8, width: 512, causal: true },
  { name: 'attention 1×2048, 4 heads of 64, causal', batch: 1, queries: 2048, keys: 2048, heads: 4, width: 256, causal: true },
].flatMap((kernel) => ['forward', 'forward and gradients'].map((pass) => ({ ...kernel, pass })))
kernels.push({
  name: 'attention of one query and 1024 keys, 8 heads of 64',
  batch: 1,
  queries: 1,
  keys: 1024,
  heads: 8,
  width: 512,
  pass: 'forward',
})

for (const kernel of options.profile ? [] : kernels.filter(({ name }) => name.includes(options.only))) {
  const load = { causal: false, ...kernel, command: 'loadKernel' }
  const [mine, theirs] = await Promise.all([weft, ...torches].map((side) => side.request(load)))
  version = theirs.version
  report.check(`${kernel.name}, ${kernel.pass}`, relativeDifference(mine.values, theirs.values), 1e-5)
  const run = { command: 'runKernel', milliseconds: options.quick ? 60 : 200 }
  const sides = { weft: () => weft.request(run), ...peers(theirs.variants, run) }
  const figures = await interleave(peak.beside(sides, restOfAttention(kernel)), { rounds })
  const torch = best(figures, 'pytorch')
  report.compare(`${kernel.name}, ${kernel.pass}`, figures.weft, torch, {
    goal: threads === 1 ? goals.attention : undefined,
    peak: peak.compare(figures, torch, operationsOfAttention(kernel)),
  })
}

for (const side of [weft, ...torches]) side.close()
peak.close(report)
report.finish({ pytorch: version })
