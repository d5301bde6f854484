// Resizing: each axis by itself. Places and weights are known when the model is traced, since sizes are.
import { isFloat } from '../../core/spec.js'
import type { Tensor } from '../../core/tensor.js'
import * as ops from '../../ops/index.js'
import { storedAxis } from './layout.js'
import { type Call, type OperatorTable } from './operator.js'
import { numbersTensor, Value } from './values.js'

/** One axis that changes its extent. */
interface Axis {
  readonly from: number
  readonly to: number
  readonly scale: number
  /** The part of the axis that is taken, for 'tf_crop_and_resize'. */
  readonly roi: readonly [number, number]
}

interface Method {
  readonly mode: string
  /** Which place of the axis a place of the result is. */
  readonly coordinates: string
  readonly nearest: string
  readonly cubic: number
  readonly excludes: boolean
  readonly outside: number
  readonly antialias: boolean
}

/**
 * The place in the axis that place `at` of the result stands for (the operator's text,
 * 'coordinate_transformation_mode').
 */
function coordinate(at: number, { from, to, scale, roi }: Axis, mode: string): number {
  // the extent before it was rounded down
  const length = from * scale
  switch (mode) {
    case 'asymmetric':
      return at / scale
    case 'align_corners':
      return length === 1 ? 0 : (at * (from - 1)) / (length - 1)
    case 'pytorch_half_pixel':
      return to > 1 ? (at + 0.5) / scale - 0.5 : 0
    case 'tf_half_pixel_for_nn':
      return (at + 0.5) / scale
    case 'tf_crop_and_resize':
      return to > 1 ? roi[0] * (from - 1) + (at * (roi[1] - roi[0]) * (from - 1)) / (to - 1) : 0.5 * (roi[0] + roi[1]) * (from - 1)
    case 'half_pixel_symmetric': {
      const adjusted = to / (scale * from)
      const center = from / 2
      return center * (1 - adjusted) + (at + 0.5) / scale - 0.5
    }
    default:
      return (at + 0.5) / scale - 0.5
  }
}

function nearestPlace(x: number, mode: string): number {
  switch (mode) {
    case 'floor':
      return Math.floor(x)
    case 'ceil':
      return Math.ceil(x)
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5)
    default:
      return Math.ceil(x - 0.5)
  }
}

/** The convolution kernel of cubic interpolation (Keys 1981). */
function cubicWeight(distance: number, a: number): number {
  const x = Math.abs(distance)
  if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1
  return x < 2 ? a * (x ** 3 - 5 * x ** 2 + 8 * x - 4) : 0
}

/** Weights of all places of the axis for each place of the result: rows [to][from]. */
function weightsOf(axis: Axis, method: Method): Float32Array {
  const { from, to } = axis
  const rows = new Float32Array(to * from)
  const shrink = method.antialias && axis.scale < 1 ? axis.scale : 1
  const reach = (method.mode === 'cubic' ? 2 : 1) / shrink
  for (let at = 0; at < to; at++) {
    const x = coordinate(at, axis, method.coordinates)
    if (method.coordinates === 'tf_crop_and_resize' && (x < 0 || x > from - 1)) continue
    const weights = new Map<number, number>()
    let total = 0
    for (let place = Math.floor(x - reach) + 1; place <= Math.ceil(x + reach) - (Number.isInteger(x + reach) ? 0 : 1); place++) {
      const distance = (place - x) * shrink
      const weight = method.mode === 'cubic' ? cubicWeight(distance, method.cubic) : Math.max(0, 1 - Math.abs(distance))
      const outside = place < 0 || place >= from
      if (outside && method.excludes) continue
      const inside = Math.min(Math.max(place, 0), from - 1)
      weights.set(inside, (weights.get(inside) ?? 0) + weight)
      total += weight
    }
    for (const [place, weight] of weights) rows[at * from + place] = weight / (method.excludes || shrink !== 1 ? total : 1)
  }
  return rows
}

/** One axis of x in its new extent. */
function along(call: Call, x: Tensor, axis: number, facts: Axis, method: Method): Tensor {
  const { from, to } = facts
  call.host(method.mode === 'nearest' ? to : to * from, 'places of an axis')
  if (method.mode === 'nearest') {
    const places = Array.from({ length: to }, (_, at) =>
      Math.min(Math.max(nearestPlace(coordinate(at, facts, method.coordinates), method.nearest), 0), from - 1),
    )
    const times = to / from
    // whole multiples repeat each value
    if (Number.isInteger(times) && places.every((place, at) => place === Math.floor(at / times))) {
      const wide = [...x.shape.slice(0, axis + 1), times, ...x.shape.slice(axis + 1)]
      const shape = x.shape.map((n, i) => (i === axis ? to : n))
      return ops.reshape(ops.broadcastTo(ops.expandDims(x, axis + 1), wide), shape)
    }
    return ops.gather(x, numbersTensor(places, [to], 'int32'), axis)
  }
  const weights = numbersTensor([...weightsOf(facts, method)], [to, from], x.dtype)
  const moved = ops.moveAxis(x, axis, -1)
  return ops.moveAxis(ops.matMul(moved, weights, { transposeB: true }), -1, axis)
}

/** Places of a crop that are outside get one value. */
function filled(x: Tensor, axis: number, facts: Axis, outside: number): Tensor {
  const inside = Array.from({ length: facts.to }, (_, at) => {
    const place = coordinate(at, facts, 'tf_crop_and_resize')
    return place >= 0 && place <= facts.from - 1 ? 1 : 0
  })
  if (!inside.includes(0)) return x
  const mask = ops.reshape(
    numbersTensor(inside, [facts.to], 'bool'),
    x.shape.map((_, i) => (i === axis ? facts.to : 1)),
  )
  return ops.where(mask, x, ops.fullLike(x, outside))
}

/** Extents and scales of the result, from the inputs that say one or the other. */
function axesOf(call: Call, value: Value): Map<number, Axis> {
  const { attributes, opset } = call
  const rank = value.rank
  const axes = (attributes.ints('axes') ?? value.shape.map((_, i) => i)).map((axis) => call.axis(axis, rank))
  const isUpsample = call.node.op === 'Upsample'
  const [scaleInput, sizeInput] = isUpsample ? [1, -1] : opset < 11 ? [1, -1] : [2, 3]
  const scaleValues = isUpsample && opset < 9 ? attributes.floats('scales') : call.has(scaleInput) ? call.numbers(scaleInput) : undefined
  const sizes = sizeInput >= 0 && call.has(sizeInput) ? call.numbers(sizeInput) : undefined
  const scales = scaleValues !== undefined && scaleValues.length > 0 ? scaleValues : undefined
  if (scales === undefined && (sizes === undefined || sizes.length === 0)) throw call.error('neither scales nor sizes are given')
  const roi = opset >= 11 && !isUpsample && call.has(1) ? call.numbers(1) : []
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch')
  const stretched = axes.map((axis, i) => (scales ? scales[i]! : sizes![i]! / value.shape[axis]!))
  const common = policy === 'not_larger' ? Math.min(...stretched) : policy === 'not_smaller' ? Math.max(...stretched) : undefined
  return new Map(
    axes.map((axis, i): [number, Axis] => {
      const from = value.shape[axis]!
      const scale = common !== undefined && sizes ? common : stretched[i]!
      const to = scales ? Math.floor(from * scale) : common === undefined ? sizes![i]! : Math.round(common * from)
      if (!(to >= 0) || to > 2 ** 31) throw call.error(`axis ${axis} of extent ${from} would get the extent ${to}`)
      return [axis, { from, to, scale, roi: [roi[i] ?? 0, roi[axes.length + i] ?? 1] }]
    }),
  )
}

function resize(call: Call): Value {
  const { attributes, opset } = call
  const value = call.value(0)
  const isOld = call.node.op === 'Upsample' || opset < 11
  const method: Method = {
    mode: attributes.string('mode', 'nearest'),
    coordinates: isOld ? 'asymmetric' : attributes.string('coordinate_transformation_mode', 'half_pixel'),
    nearest: isOld ? 'floor' : attributes.string('nearest_mode', 'round_prefer_floor'),
    cubic: attributes.float('cubic_coeff_a', -0.75),
    excludes: attributes.int('exclude_outside', 0) !== 0,
    outside: attributes.float('extrapolation_value', 0),
    antialias: attributes.int('antialias', 0) !== 0,
  }
  const isCrop = method.coordinates === 'tf_crop_and_resize'
  const axes = axesOf(call, value)
  call.grown(
    value.shape.map((n, axis) => axes.get(axis)?.to ?? n),
    value.size,
  )
  let x = value.stored
  for (const [axis, facts] of axes) {
    if (facts.from === facts.to && facts.scale === 1 && !isCrop) continue
    const place = storedAxis(value, axis)
    if (method.mode !== 'nearest' && !isFloat(x.dtype)) x = ops.cast(x, 'float32')
    x = along(call, x, place, facts, method)
    if (isCrop) x = filled(x, place, facts, method.outside)
  }
  return new Value(method.mode === 'nearest' || x.dtype === value.dtype ? x : ops.cast(ops.round(x), value.dtype), {
    isLast: value.isLast,
    type: value.type,
  })
}

export const resizeOperators: OperatorTable = {
  Resize: { since: 10, reads: [1, 2, 3], run: resize },
  Upsample: { reads: [1], run: resize },
}
