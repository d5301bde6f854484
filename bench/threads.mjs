// Two threads against one, with the JavaScript thread idle and with it computing 90 % of the time.
import { availableParallelism } from 'node:os'
import { interleave } from './shared/measure.mjs'
import { networks, removeNetwork, writeNetwork } from './shared/networks.mjs'
import { Report, readOptions } from './shared/report.mjs'
import { weftSide } from './shared/side.mjs'

const options = readOptions({ rounds: { type: 'string', default: '9' } })
const rounds = options.quick ? 3 : Number(options.rounds)
const report = new Report(
  `Two threads against one, ${availableParallelism()} cores: µs per training step, median of ${rounds} interleaved rounds`,
  options,
)
const one = weftSide('train.mjs', 1)
const two = weftSide('train.mjs', 2)

for (const [name, { title, epochs }] of Object.entries(networks)) {
  const network = writeNetwork(name)
  await Promise.all([one, two].map((side) => side.request({ command: 'load', ...network })))
  for (const batch of [32, 128]) {
    for (const busy of [0, 0.9]) {
      const fit = (side) => () => side.request({ command: 'fit', name, batch, epochs, busy })
      const figures = await interleave({ two: fit(two), one: fit(one) }, { rounds })
      const jsThread = busy === 0 ? '' : ', JavaScript busy'
      report.compare(`${title} batch ${batch}${jsThread}: 2 threads`, figures.two, figures.one, { peerName: '1 thread', goal: 1 })
    }
  }
  removeNetwork(network)
}
one.close()
two.close()
report.finish()
