// A training step of GPT-2's size (124 million parameters, batch 2 × 128) against PyTorch, on one thread (--threads 2:
// on two): time, and the most memory that a side holds during its steps. Needs about 6 GB.
import { rmSync } from 'node:fs'
import { goals, productsOfGpt, restOfLargeGpt } from './shared/goals.mjs'
import { operationsOf, writeGpt } from './shared/gpt.mjs'
import { best, interleave } from './shared/measure.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { torchSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '5' },
  variants: { type: 'string', default: 'sdp,bmm,bmm foreach' },
})
const threads = Number(options.threads)
const rounds = options.quick ? 2 : Number(options.rounds)
const report = new Report(`GPT-2, 124 M parameters, float32, ${threads} thread(s): best of ${rounds} interleaved rounds or more`, options)

// the head is the table of tokens, as in the original
const gpt2 = { blocks: 12, time: 128, positions: 1024, width: 768, inner: 3072, heads: 12, batch: 2, vocabulary: 50257, tied: true }
const request = writeGpt(gpt2)
const peak = await Peak.start(threads)
const weft = weftSide('gpt2.mjs', threads)
await weft.request({ command: 'load', ...request })
const { losses } = await weft.request({ command: 'losses', count: 2 })

// one peer after the other: each holds the model, its gradients and Adam's moments
const figures = {}
const bytes = {}
let version
const step = { command: 'steps', count: 1 }
for (const openblasThreads of new Set([1, threads])) {
  for (const variant of options.variants.split(',')) {
    const name = `pytorch ${variant}${openblasThreads > 1 ? ' openblas' : ''}`
    const torch = torchSide('gpt2.py', threads, { openblasThreads })
    ;({ version } = await torch.request({ command: 'load', variant, ...request }))
    const { losses: expected } = await torch.request({ command: 'losses', count: 2 })
    report.check(`losses of 2 steps, Weft against ${name}`, relativeDifference(losses, expected), 1e-4)
    const sides = { weft: () => weft.request(step), [name]: () => torch.request(step) }
    const measured = await interleave(peak.beside(sides, restOfLargeGpt(gpt2), undefined, productsOfGpt(gpt2)), { rounds })
    if (
      figures.weft === undefined ||
      measured[name].minimum / measured.weft.minimum < best(figures, 'pytorch').minimum / figures.weft.minimum
    ) {
      for (const old of Object.keys(figures)) delete figures[old]
      Object.assign(figures, measured)
    }
    bytes[name] = (await torch.request({ command: 'memory' })).bytes
    torch.close()
  }
}
const torch = best(figures, 'pytorch')
const goal = threads === 1 ? goals.gpt2 : undefined
report.compare('training step with Adam, batch 2 × 128', figures.weft, torch, {
  goal,
  peak: peak.compare(figures, torch, operationsOf(gpt2)),
})
const [own, least] = [(await weft.request({ command: 'memory' })).bytes, Math.min(...Object.values(bytes))]
report.row({
  name: 'most memory during steps',
  measured: own / 2 ** 20,
  unit: 'MiB',
  peer: least / 2 ** 20,
  peerName: 'pytorch, the least',
  value: least / own,
  goal: 1,
  raw: { weft: own, ...bytes },
})
weft.close()
peak.close(report)
rmSync(request.folder, { recursive: true })
report.finish({ pytorch: version })
