// Rows of layerCheck: layers that change images at random.
import * as layers from '../../lib/layers/index.js'
import type { LayerRow } from './check.js'

const images = { input: [2, 5, 4, 2], mask: 'none', stochastic: true } as const

export const augmentRows: readonly LayerRow[] = [
  { factory: 'randomFlip', make: (o) => layers.randomFlip({ ...o }), ...images },
  { factory: 'randomFlip', name: 'horizontal, seed', make: (o) => layers.randomFlip({ mode: 'horizontal', seed: 3, ...o }), ...images },
  { factory: 'randomRotation', make: (o) => layers.randomRotation({ factor: 0.2, ...o }), ...images },
  {
    factory: 'randomRotation',
    name: 'constant',
    make: (o) => layers.randomRotation({ factor: [-0.1, 0.3], fillMode: 'constant', fillValue: 1.5, ...o }),
    ...images,
  },
  { factory: 'randomRotation', name: 'wrap', make: (o) => layers.randomRotation({ factor: 0.5, fillMode: 'wrap', ...o }), ...images },
  {
    factory: 'randomTranslation',
    make: (o) => layers.randomTranslation({ heightFactor: 0.4, widthFactor: [-0.2, 0.5], ...o }),
    ...images,
  },
  {
    factory: 'randomZoom',
    make: (o) => layers.randomZoom({ heightFactor: [-0.5, 0.5], widthFactor: 0.3, fillMode: 'nearest', ...o }),
    ...images,
  },
  {
    factory: 'randomZoom',
    name: 'nearest pixels',
    make: (o) => layers.randomZoom({ heightFactor: 0.4, interpolation: 'nearest', ...o }),
    ...images,
  },
  { factory: 'randomCrop', make: (o) => layers.randomCrop({ height: 3, width: 2, ...o }), ...images },
  { factory: 'randomCrop', name: 'of smaller images', make: (o) => layers.randomCrop({ height: 6, width: 3, ...o }), ...images },
  { factory: 'randomContrast', make: (o) => layers.randomContrast({ factor: 0.5, valueRange: [-9, 9], ...o }), ...images },
  { factory: 'randomBrightness', make: (o) => layers.randomBrightness({ factor: 0.2, valueRange: [-9, 9], ...o }), ...images },
]
