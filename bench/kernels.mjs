// Single kernels against PyTorch, on one thread (--threads 2: on two): matrix products (OpenBLAS on that side),
// convolutions in both layouts, and operations that memory bounds.
import { boundOfConvolution, goals, restOfProduct } from './shared/goals.mjs'
import { best, interleave } from './shared/measure.mjs'
import { kernels } from './shared/kernels.mjs'
import { Peak } from './shared/peak.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { torchSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '9' },
  only: { type: 'string', default: '' },
  'with-goals': { type: 'boolean', default: false },
})
const threads = Number(options.threads)
const rounds = options.quick ? 7 : Number(options.rounds)
const milliseconds = options.quick ? 40 : 200
const report = new Report(`Kernels, float32, ${threads} thread(s): µs per call, best of ${rounds} interleaved rounds or more`, options)
const peerNames = { matMul: 'OpenBLAS', convolution: 'PyTorch', bandwidth: 'PyTorch' }

const weft = weftSide('kernels.mjs', threads)
const torch = torchSide('kernels.py', threads, { openblasThreads: threads })
// On more threads nothing is to be slower than its peer.
const goalOf = ({ kind, m }) => {
  if (kind === 'bandwidth') return undefined
  if (kind === 'convolution') return goals.convolution
  return threads === 1 || m <= 128 ? goals.matMul(m) : 1
}
const peak = await Peak.start(threads)
let version

const wanted = (kernel) => kernel.name.includes(options.only) && (goalOf(kernel) !== undefined || !options['with-goals'])
for (const kernel of kernels.filter(wanted)) {
  const [, loaded] = await Promise.all([weft, torch].map((side) => side.request({ command: 'load', ...kernel })))
  version = loaded.version
  const [mine, theirs] = await Promise.all([weft, torch].map((side) => side.request({ command: 'sample', ...kernel })))
  report.check(kernel.name, relativeDifference(mine.values, theirs.values), 1e-5)
  const sides = { weft: () => weft.request({ command: 'run', milliseconds }) }
  for (const variant of loaded.variants) {
    const request = { command: 'run', variant, milliseconds }
    sides[`pytorch ${variant}`] = () => torch.request(request)
  }
  const { rest, hidden, outside } =
    kernel.kind === 'convolution' ? boundOfConvolution(kernel) : kernel.kind === 'matMul' ? { rest: restOfProduct(kernel) } : {}
  const figures = await interleave(kernel.kind === 'bandwidth' ? sides : peak.beside(sides, rest, hidden), { rounds })
  const peer = best(figures, 'pytorch')
  const rate = (figure) => (kernel.flops ?? kernel.bytes) / figure.minimum / 1000
  report.row({
    name: kernel.name,
    measured: rate(figures.weft),
    unit: kernel.flops === undefined ? 'GB/s' : 'GFLOP/s',
    peer: rate(peer),
    peerName: `${peerNames[kernel.kind]}${peer.name.slice('pytorch'.length).trimEnd()}`,
    value: peer.minimum / figures.weft.minimum,
    processorRatio: peer.processor.minimum / figures.weft.processor.minimum,
    goal: goalOf(kernel),
    peak: kernel.kind === 'bandwidth' ? undefined : peak.compare(figures, peer, kernel.flops, outside),
    raw: { microseconds: figures },
  })
}

weft.close()
torch.close()
peak.close(report)
report.finish({ pytorch: version })
