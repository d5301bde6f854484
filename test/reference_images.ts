// Reference of convolution and pooling: loops over every place of every window.
import { at, generate, type Values } from './reference.js'

export interface Window {
  strides: readonly number[]
  /** [top, bottom, left, right] */
  padding: readonly number[]
  dilations: readonly number[]
}

const extent = (n: number, k: number, before: number, after: number, stride: number, dilation: number): number =>
  Math.floor((n + before + after - ((k - 1) * dilation + 1)) / stride) + 1

/** The padding that Keras and TensorFlow call 'same'. */
export function same(
  image: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[] = [1, 1],
): number[] {
  return [0, 1].flatMap((axis) => {
    const span = (kernel[axis]! - 1) * dilations[axis]! + 1
    const total = Math.max((Math.ceil(image[axis]! / strides[axis]!) - 1) * strides[axis]! + span - image[axis]!, 0)
    return [Math.floor(total / 2), total - Math.floor(total / 2)]
  })
}

/** x [n, h, w, c], k [kh, kw, c / groups, o] → [n, oh, ow, o]. */
export function conv2d(x: Values, k: Values, { strides, padding, dilations }: Window, groups = 1): Values {
  const [n, h, w] = x.shape as [number, number, number]
  const [kh, kw, inside, out] = k.shape as [number, number, number, number]
  const oh = extent(h, kh, padding[0]!, padding[1]!, strides[0]!, dilations[0]!)
  const ow = extent(w, kw, padding[2]!, padding[3]!, strides[1]!, dilations[1]!)
  return generate([n, oh, ow, out], ([image, i, j, o]) => {
    const group = Math.floor(o! / (out / groups))
    let sum = 0
    for (let p = 0; p < kh; p++) {
      for (let q = 0; q < kw; q++) {
        const row = i! * strides[0]! - padding[0]! + p * dilations[0]!
        const column = j! * strides[1]! - padding[2]! + q * dilations[1]!
        if (row < 0 || row >= h || column < 0 || column >= w) continue
        for (let c = 0; c < inside; c++) sum += at(x, [image!, row, column, group * inside + c]) * at(k, [p, q, c, o!])
      }
    }
    return sum
  })
}

/**
 * The transposed convolution: each value of x [n, h, w, in] spread through k [kh, kw, out, in] into an image of the
 * given extents.
 */
export function conv2dTranspose(x: Values, k: Values, extents: readonly number[], { strides, padding, dilations }: Window): Values {
  const [n, h, w, channels] = x.shape as [number, number, number, number]
  const [kh, kw, out] = k.shape as [number, number, number]
  return generate([n, ...extents, out], ([image, row, column, o]) => {
    let sum = 0
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < w; j++) {
        for (let p = 0; p < kh; p++) {
          for (let q = 0; q < kw; q++) {
            if (i * strides[0]! - padding[0]! + p * dilations[0]! !== row) continue
            if (j * strides[1]! - padding[2]! + q * dilations[1]! !== column) continue
            for (let c = 0; c < channels; c++) sum += at(x, [image!, i, j, c]) * at(k, [p, q, o!, c])
          }
        }
      }
    }
    return sum
  })
}

/** f of the values of each window that lie inside x [n, h, w, c]. */
export function pool2d(
  x: Values,
  size: readonly number[],
  strides: readonly number[],
  padding: readonly number[],
  f: (list: number[]) => number,
): Values {
  const [n, h, w, c] = x.shape as [number, number, number, number]
  const oh = extent(h, size[0]!, padding[0]!, padding[1]!, strides[0]!, 1)
  const ow = extent(w, size[1]!, padding[2]!, padding[3]!, strides[1]!, 1)
  return generate([n, oh, ow, c], ([image, i, j, channel]) => {
    const list: number[] = []
    for (let p = 0; p < size[0]!; p++) {
      for (let q = 0; q < size[1]!; q++) {
        const row = i! * strides[0]! - padding[0]! + p
        const column = j! * strides[1]! - padding[2]! + q
        if (row >= 0 && row < h && column >= 0 && column < w) list.push(at(x, [image!, row, column, channel!]))
      }
    }
    return f(list)
  })
}
