// Sampling of images at places that are values: grids, and regions of interest.
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { type Call, made, type OperatorTable } from './operator.js'
import { numbersTensor, Value } from './values.js'

/** Values of images [n, h·w, c] at whole places y, x [n, m], which are inside: [n, m, c]. */
function taken(images: Tensor, width: number, y: Tensor, x: Tensor): Tensor {
  const [n, size, c] = images.shape as [number, number, number]
  const rows = ops.reshape(ops.mul(ops.arange(0, n, 1, made('int32')), size), [n, 1])
  const flat = ops.add(ops.add(ops.mul(ops.cast(y, 'int32'), width), ops.cast(x, 'int32')), rows)
  return ops.gather(ops.reshape(images, [n * size, c]), flat, 0)
}

const between = (x: Tensor, low: number, high: number): Tensor => ops.minimum(ops.maximum(x, low), high)
const inside = (x: Tensor, extent: number): Tensor => ops.logicalAnd(ops.greaterEqual(x, 0), ops.lessEqual(x, extent - 1))

/** Places folded back at both ends of [low, high]. */
function reflected(x: Tensor, low: number, high: number): Tensor {
  const length = high - low
  if (length <= 0) return ops.zerosLike(x)
  const turn = ops.mod(ops.sub(x, low), 2 * length)
  return ops.add(ops.where(ops.greater(turn, length), ops.sub(2 * length, turn), turn), low)
}

interface Image {
  readonly flat: Tensor // [n, h·w, c]
  readonly h: number
  readonly w: number
}

interface Border {
  readonly mode: string
  readonly alignsCorners: boolean
}

/** A whole place as the border's mode has it: inside, and whether it counts. */
function bordered(at: Tensor, extent: number, { mode, alignsCorners }: Border): { place: Tensor; counts: Tensor | undefined } {
  if (mode === 'zeros') return { place: between(at, 0, extent - 1), counts: inside(at, extent) }
  if (mode === 'border') return { place: between(at, 0, extent - 1), counts: undefined }
  const folded = alignsCorners ? reflected(at, 0, extent - 1) : reflected(at, -0.5, extent - 0.5)
  return { place: between(ops.round(folded), 0, extent - 1), counts: undefined }
}

function at(image: Image, y: Tensor, x: Tensor, border: Border): Tensor {
  const rows = bordered(y, image.h, border)
  const columns = bordered(x, image.w, border)
  const values = taken(image.flat, image.w, rows.place, columns.place)
  if (!rows.counts || !columns.counts) return values
  return ops.mul(values, ops.cast(ops.expandDims(ops.logicalAnd(rows.counts, columns.counts), -1), values.dtype))
}

/** Weights of four places around a fraction (Keys 1981, a = -0.75). */
function cubicWeights(t: Tensor): Tensor[] {
  const a = -0.75
  const near = (x: Tensor): Tensor => ops.add(ops.mul(ops.mul(ops.sub(ops.mul(x, a + 2), a + 3), x), x), 1)
  const far = (x: Tensor): Tensor => ops.sub(ops.mul(ops.add(ops.mul(ops.sub(ops.mul(x, a), 5 * a), x), 8 * a), x), 4 * a)
  return [far(ops.add(t, 1)), near(t), near(ops.sub(1, t)), far(ops.sub(2, t))]
}

/** Images at a grid [n, h', w', 2] of places from -1 to 1. */
function gridSample(call: Call): Value {
  const { attributes } = call
  const value = call.value(0)
  if (value.rank !== 4) throw call.error(`x [${value.shape}]: images of two axes are sampled`, [value.shape])
  const images = value.last
  const [n, h, w, c] = images.shape as [number, number, number, number]
  const grid = call.tensor(1)
  const [, gh, gw] = grid.shape as [number, number, number, number]
  const mode = attributes.string('mode', 'bilinear').replace('linear', 'bilinear').replace('bibilinear', 'bilinear')
  const border = { mode: attributes.string('padding_mode', 'zeros'), alignsCorners: attributes.int('align_corners', 0) !== 0 }
  const image = { flat: ops.reshape(images, [n, h * w, c]), h, w }
  const places = (index: number, extent: number): Tensor => {
    const unit = ops.reshape(ops.slice(grid, [0, 0, 0, index], [n, gh, gw, 1]), [n, gh * gw])
    const scaled = border.alignsCorners ? ops.mul(ops.add(unit, 1), (extent - 1) / 2) : ops.sub(ops.mul(ops.add(unit, 1), extent / 2), 0.5)
    if (border.mode === 'border') return between(scaled, 0, extent - 1)
    if (border.mode !== 'reflection') return scaled
    const folded = border.alignsCorners ? reflected(scaled, 0, extent - 1) : reflected(scaled, -0.5, extent - 0.5)
    return mode === 'bilinear' ? between(folded, 0, extent - 1) : folded
  }
  const [x, y] = [places(0, w), places(1, h)]
  const weighted = (values: Tensor, weight: Tensor): Tensor => ops.mul(values, ops.expandDims(weight, -1))
  let result: Tensor
  if (mode === 'nearest') result = at(image, ops.round(y), ops.round(x), border)
  else {
    const [top, left] = [ops.floor(y), ops.floor(x)]
    const [dy, dx] = [ops.sub(y, top), ops.sub(x, left)]
    const isCubic = mode === 'bicubic' || mode === 'cubic'
    const rows = isCubic ? cubicWeights(dy) : [ops.sub(1, dy), dy]
    const columns = isCubic ? cubicWeights(dx) : [ops.sub(1, dx), dx]
    const first = isCubic ? -1 : 0
    const terms = rows.flatMap((row, i) =>
      columns.map((column, j) => weighted(at(image, ops.add(top, i + first), ops.add(left, j + first), border), ops.mul(row, column))),
    )
    result = terms.reduce((a, b) => ops.add(a, b))
  }
  return new Value(ops.reshape(result, [n, gh, gw, c]), { isLast: true })
}

/**
 * Regions [r, 4] of images, each averaged (or its maximum taken) over places between pixels: [r, c, h', w'] (He et al.
 * 2017).
 */
function roiAlign(call: Call): Value {
  const { attributes } = call
  const images = call.value(0).last
  const [n, h, w, c] = images.shape as [number, number, number, number]
  const rois = call.tensor(1)
  const r = rois.shape[0]!
  const [oh, ow] = [attributes.int('output_height', 1), attributes.int('output_width', 1)]
  const ratio = attributes.int('sampling_ratio', 0)
  const isHalfPixel =
    attributes.string('coordinate_transformation_mode', call.opset < 16 ? 'output_half_pixel' : 'half_pixel') === 'half_pixel'
  const scale = attributes.float('spatial_scale', 1)
  const edge = (index: number): Tensor => ops.sub(ops.mul(ops.slice(rois, [0, index], [r, 1]), scale), isHalfPixel ? 0.5 : 0) // [r, 1]
  const [left, top, right, bottom] = [0, 1, 2, 3].map(edge) as [Tensor, Tensor, Tensor, Tensor]
  const length = (from: Tensor, to: Tensor): Tensor => (isHalfPixel ? ops.sub(to, from) : ops.maximum(ops.sub(to, from), 1))
  // places in each cell along an axis, the same for all regions
  const steps = (count: number, size: Tensor, from: Tensor): Tensor => {
    const offsets = ops.mul(ops.add(ops.arange(0, count * ratio, 1, made('float32')), 0.5), 1 / (count * ratio))
    return ops.add(ops.mul(size, ops.cast(offsets, size.dtype)), from) // [r, count·ratio]
  }
  const y = steps(oh, length(top, bottom), top)
  const x = steps(ow, length(left, right), left)
  const batch = ops.mul(ops.reshape(ops.cast(call.tensor(2), 'int32'), [r, 1, 1]), h * w)
  const flat = ops.reshape(images, [n * h * w, c])
  const side = (t: Tensor, extent: number): { low: Tensor; high: Tensor; part: Tensor; counts: Tensor } => {
    const counts = ops.logicalAnd(ops.greaterEqual(t, -1), ops.lessEqual(t, extent))
    const place = between(t, 0, extent - 1)
    const low = ops.minimum(ops.floor(place), extent - 1)
    return { low, high: ops.minimum(ops.add(low, 1), extent - 1), part: ops.sub(place, low), counts }
  }
  const [rows, columns] = [side(y, h), side(x, w)]
  const [ny, nx] = [oh * ratio, ow * ratio]
  const value = (yy: Tensor, xx: Tensor, wy: Tensor, wx: Tensor): Tensor => {
    const index = ops.add(
      ops.add(ops.mul(ops.reshape(ops.cast(yy, 'int32'), [r, ny, 1]), w), ops.reshape(ops.cast(xx, 'int32'), [r, 1, nx])),
      batch,
    )
    const weight = ops.mul(ops.reshape(wy, [r, ny, 1, 1]), ops.reshape(wx, [r, 1, nx, 1]))
    return ops.mul(ops.gather(flat, index, 0), weight)
  }
  const [above, before] = [ops.sub(1, rows.part), ops.sub(1, columns.part)]
  const corners = [
    value(rows.low, columns.low, above, before),
    value(rows.low, columns.high, above, columns.part),
    value(rows.high, columns.low, rows.part, before),
    value(rows.high, columns.high, rows.part, columns.part),
  ]
  const isMax = attributes.string('mode', 'avg') === 'max'
  const counts = ops.logicalAnd(ops.reshape(rows.counts, [r, ny, 1, 1]), ops.reshape(columns.counts, [r, 1, nx, 1]))
  const sampled = corners.reduce((a, b) => (isMax ? ops.maximum(a, b) : ops.add(a, b)))
  const cells = ops.reshape(ops.mul(sampled, ops.cast(counts, sampled.dtype)), [r, oh, ratio, ow, ratio, c])
  return new Value(isMax ? ops.max(cells, [2, 4]) : ops.mean(cells, [2, 4]), { isLast: true })
}

/** Places from -1 to 1 of images [n, c, h, w], turned by matrices [n, 2, 3]: [n, h, w, 2]. */
function affineGrid(call: Call): Tensor {
  const theta = call.tensor(0)
  const [n, , h, w] = call.numbers(1) as [number, number, number, number]
  call.grown([n, h, w, 2])
  const isAligned = call.attributes.int('align_corners', 0) !== 0
  const line = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => (isAligned ? (count === 1 ? -1 : (2 * i) / (count - 1) - 1) : (2 * i + 1) / count - 1))
  const [rows, columns] = [line(call.host(h, 'rows')), line(call.host(w, 'columns'))]
  const places = rows.flatMap((y) => columns.flatMap((x) => [x, y, 1]))
  const points = numbersTensor(places, [1, h * w, 3], theta.dtype)
  return ops.reshape(ops.matMul(points, theta, { transposeB: true }), [n, h, w, 2])
}

export const samplingOperators: OperatorTable = {
  AffineGrid: {
    since: 20,
    reads: [1],
    run: affineGrid,
  },
  GridSample: { since: 16, run: gridSample },
  RoiAlign: {
    since: 10,
    run: roiAlign,
    refuses: ({ attributes }) =>
      attributes.int('sampling_ratio', 0) < 1
        ? 'a number of samples that depends on the regions (sampling_ratio: 0) is not computed here'
        : undefined,
  },
}
