// The numbers in an HDF5 file by their paths. Bounded in memory by the size of the file.
import { File, Group } from 'jsfive'

export interface Hdf5Value {
  readonly path: string
  readonly shape: number[]
  readonly values: Float32Array
}

const MOST_DEPTH = 64
const MOST_OBJECTS = 1_000_000
/** How many times its own size a file may take: what is compressed is seldom smaller. */
const MOST_TIMES = 64

/** All datasets of numbers in the file. Throws an Error, or what the reader throws, for a file that is none. */
export function hdf5Values(bytes: ArrayBuffer): Hdf5Value[] {
  let left = bytes.byteLength * MOST_TIMES + (1 << 20)
  let objects = 0
  const found: Hdf5Value[] = []
  const visit = (group: Group, path: string, depth: number): void => {
    if (depth > MOST_DEPTH) throw new Error(`groups are nested more than ${MOST_DEPTH} deep`)
    for (const name of group.keys) {
      if (++objects > MOST_OBJECTS) throw new Error(`it holds more than ${MOST_OBJECTS} objects`)
      const item = group.get(name)
      const place = path === '' ? name : `${path}/${name}`
      if (item instanceof Group) visit(item, place, depth + 1)
      else if (item) {
        const { shape, dtype } = item
        const type = typeof dtype === 'string' ? /^[<>=!@|]?([iuf])(\d+)$/.exec(dtype) : undefined
        // text and the like are no weights
        if (!type) continue
        if (!Array.isArray(shape) || shape.length > 16 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
          throw new Error(`'${place}' has no shape`)
        const size = shape.reduce((a, b) => a * b, 1)
        left -= size * 4
        if (!(left >= 0)) throw new Error(`'${place}' of shape [${shape}] is larger than the file can hold`)
        const values = size === 0 ? new Float32Array(0) : Float32Array.from(item.value, Number)
        if (values.length !== size) throw new Error(`'${place}' of shape [${shape}] has ${values.length} values`)
        found.push({ path: place, shape: [...shape], values })
      }
    }
  }
  visit(new File(bytes, ''), '', 0)
  return found
}
