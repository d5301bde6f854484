// Weft's side of run.mjs: answers one JSON line per request, on the device that WEFT_DEVICE names.
import { device, devices } from '../../dist/lib/index.js'
import { answerRequests } from '../shared/side.mjs'
import * as kernels from './weft/kernels.mjs'
import * as language from './weft/language.mjs'
import * as latency from './weft/latency.mjs'
import * as training from './weft/training.mjs'

const kinds = {
  training,
  language,
  latency,
  product: kernels,
  convolution: kernels,
  memory: kernels,
  lstm: kernels,
  attention: kernels,
}
let kind

await answerRequests({
  describe: () => devices().find(({ id }) => id === device()),
  load: (row) => {
    kind = kinds[row.kind]
    return kind.load(row)
  },
  sample: (request) => kind.sample(request),
  run: (request) => kind.run(request),
  unload: () => kind.unload(),
})
