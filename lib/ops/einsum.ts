// einsum: sums of products over named axes, by transposes and matrix products.
import { WeftError } from '../core/error.js'
import { show } from '../core/options.js'
import { type Shape, sizeOf } from '../core/spec.js'
import { func } from '../core/symbolic.js'
import { Tensor, type TensorLike } from '../core/tensor.js'
import { mul } from './arithmetic.js'
import { broadcastTo } from './broadcast.js'
import { matMul } from './matmul.js'
import { operands, sameFloats } from './operands.js'
import { sum } from './reduce.js'
import { reshape } from './reshape.js'
import { slice } from './slice.js'
import { moveAxis, transpose } from './transpose.js'

/** A tensor and the letter of each of its axes; axes of an ellipsis have names that begin with a dot. */
interface Named {
  readonly t: Tensor
  readonly letters: readonly string[]
}
type Fail = (why: string, hint?: string) => WeftError

const TERM = /^[A-Za-z]*(?:\.\.\.)?[A-Za-z]*$/

/** The letters of each operand and of the result. */
function lettersOf(equation: string, shapes: readonly Shape[], fail: Fail): { inputs: string[][]; output: string[] } {
  const [left = '', right, ...more] = equation.replaceAll(/\s/g, '').split('->')
  const terms = left.split(',')
  if (more.length > 0) throw fail('there is more than one arrow')
  const odd = [...terms, right ?? ''].find((term) => !TERM.test(term))
  if (odd !== undefined) throw fail(`${show(odd)} is not made of letters and at most one ellipsis '...'`)
  if (terms.length !== shapes.length) throw fail(`it is of ${terms.length} operands, and ${shapes.length} were given`)
  const own = terms.map((term) => term.replace('...', ''))
  terms.forEach((term, i) => {
    const rank = shapes[i]!.length
    if (term === own[i] ? rank !== term.length : rank < own[i]!.length)
      throw fail(`'${term}' does not fit operand ${i} of shape [${shapes[i]}]`)
  })
  const spread = Math.max(0, ...terms.map((term, i) => (term === own[i] ? 0 : shapes[i]!.length - own[i]!.length)))
  const spelled = (term: string, dots: number): string[] => {
    const at = term.indexOf('...')
    if (at < 0) return [...term]
    return [...term.slice(0, at), ...Array.from({ length: dots }, (_, i) => `.${spread - dots + i}`), ...term.slice(at + 3)]
  }
  const inputs = terms.map((term, i) => spelled(term, shapes[i]!.length - own[i]!.length))
  const all = inputs.flat()
  if (right === undefined) {
    const once = [...new Set(all)].filter((letter) => !letter.startsWith('.') && all.indexOf(letter) === all.lastIndexOf(letter))
    return { inputs, output: [...spelled('...', spread), ...once.sort()] }
  }
  const output = spelled(right, spread)
  const stranger = output.find((letter) => !all.includes(letter))
  if (stranger !== undefined) throw fail(`'${stranger}' of the result is in no operand`)
  const twice = output.find((letter, i) => output.indexOf(letter) < i)
  if (twice !== undefined) throw fail(`'${twice}' is twice in the result`)
  return { inputs, output }
}

/** The diagonal of axes that have the same letter. */
function diagonal({ t, letters }: Named): Named {
  const twice = letters.findIndex((letter, i) => letters.indexOf(letter) < i)
  if (twice < 0) return { t, letters }
  const first = letters.indexOf(letters[twice]!)
  const n = t.shape[first]!
  const moved = moveAxis(moveAxis(t, twice, -1), first, -2) // [..., n, n]
  const outer = moved.shape.slice(0, -2)
  const flat = reshape(moved, [...outer, n * n])
  const zeros = flat.shape.map(() => 0)
  const taken = slice(flat, zeros, [...outer, n], [...outer.map(() => 1), n + 1])
  return diagonal({ t: taken, letters: [...letters.filter((_, i) => i !== twice && i !== first), letters[first]!] })
}

/** The operand without the letters that nobody else needs. */
function summed({ t, letters }: Named, needed: ReadonlySet<string>): Named {
  const gone = letters.flatMap((letter, i) => (needed.has(letter) ? [] : [i]))
  return gone.length === 0 ? { t, letters } : { t: sum(t, gone), letters: letters.filter((letter) => needed.has(letter)) }
}

/** Two operands become one: letters that no one else needs are summed by a product of matrices. */
function contract(a: Named, b: Named, needed: ReadonlySet<string>): Named {
  const shared = a.letters.filter((letter) => b.letters.includes(letter))
  const batch = shared.filter((letter) => needed.has(letter))
  const inner = shared.filter((letter) => !needed.has(letter))
  const rows = a.letters.filter((letter) => !shared.includes(letter))
  const columns = b.letters.filter((letter) => !shared.includes(letter))
  const letters = [...batch, ...rows, ...columns]
  const extent = (letter: string): number => {
    const [n, m] = [a.t.shape[a.letters.indexOf(letter)] ?? 1, b.t.shape[b.letters.indexOf(letter)] ?? 1]
    return n === 1 ? m : n
  }
  const size = (list: readonly string[]): number => sizeOf(list.map(extent))
  const arranged = ({ t, letters: own }: Named, order: readonly string[]): Tensor =>
    transpose(
      t,
      order.map((letter) => own.indexOf(letter)),
    )
  const x = arranged(a, [...batch, ...rows, ...inner])
  if (inner.length === 0) {
    const wide = reshape(x, [...x.shape, ...columns.map(() => 1)])
    const y = arranged(b, [...batch, ...columns])
    return { t: mul(wide, reshape(y, [...y.shape.slice(0, batch.length), ...rows.map(() => 1), ...y.shape.slice(batch.length)])), letters }
  }
  const full = (t: Tensor, order: readonly string[]): Tensor => broadcastTo(t, order.map(extent))
  const left = full(x, [...batch, ...rows, ...inner])
  const right = full(arranged(b, [...batch, ...inner, ...columns]), [...batch, ...inner, ...columns])
  const product = matMul(reshape(left, [size(batch), size(rows), size(inner)]), reshape(right, [size(batch), size(inner), size(columns)]))
  return { t: reshape(product, letters.map(extent)), letters }
}

/**
 * Throws ERR_SHAPE unless axes of one letter have one extent; those of an operand's own, or of an ellipsis, may be 1.
 */
function checkExtents(inputs: readonly (readonly string[])[], shapes: readonly Shape[], fail: Fail): void {
  const extents = new Map<string, number>()
  inputs.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      const n = shapes[i]![axis]!
      const known = extents.get(letter) ?? 1
      const first = letters.indexOf(letter)
      const wrong = first < axis ? shapes[i]![first] !== n : n !== known && n !== 1 && known !== 1
      if (wrong)
        throw fail(`'${letter.startsWith('.') ? '...' : letter}' has the extents ${first < axis ? shapes[i]![first] : known} and ${n}`)
      if (n !== 1 || !extents.has(letter)) extents.set(letter, n)
    })
  })
}

/**
 * Sums of products over named axes (Einstein's notation), as numpy.einsum and torch.einsum: 'ij,jk->ik' is a matrix
 * product. A letter names an axis; letters that are not in the result are summed. A letter twice in an operand takes
 * the diagonal. '...' stands for all other axes, which broadcast. Without '->' the result has the axes of the ellipsis,
 * then the letters that occur once, in the order of the alphabet. Operands are combined from left to right.
 * @param operands as many tensors as the equation has terms, or one list of them; several must be floats of one dtype
 * @throws ERR_ARGUMENT for an equation that cannot be read, ERR_SHAPE for operands that do not fit it
 */
export const einsum: (equation: string, ...operands: readonly (TensorLike | readonly Tensor[])[]) => Tensor = func(
  'einsum(equation, ...operands)',
  (equation, ...given) => {
    if (typeof equation !== 'string')
      throw new WeftError('ERR_ARGUMENT', `einsum: an equation is a string, got ${show(equation)}`, {
        op: 'einsum',
        hint: "Write einsum('ij,jk->ik', a, b)",
      })
    const [first] = given
    const list = given.length === 1 && Array.isArray(first) && first.some((t) => t instanceof Tensor) ? (first as Tensor[]) : given
    if (list.length === 0) throw new WeftError('ERR_ARGUMENT', `einsum: no operands for '${equation}'`, { op: 'einsum' })
    const tensors = list.length === 1 ? operands('einsum', list as TensorLike[]) : sameFloats('einsum', list as TensorLike[])
    const shapes = tensors.map((t) => t.shape)
    const failing =
      (code: 'ERR_ARGUMENT' | 'ERR_SHAPE'): Fail =>
      (why) =>
        new WeftError(code, `einsum: '${equation}' of shapes ${shapes.map((shape) => `[${shape}]`).join(', ')}: ${why}`, {
          op: 'einsum',
          shapes,
        })
    const { inputs, output } = lettersOf(equation, shapes, failing('ERR_ARGUMENT'))
    checkExtents(inputs, shapes, failing('ERR_SHAPE'))
    const named = inputs.map((letters, i) => diagonal({ t: tensors[i]!, letters }))
    const neededBy = (others: readonly Named[]): Set<string> => new Set([...output, ...others.flatMap(({ letters }) => letters)])
    const reduced = named.map((one, i) => summed(one, neededBy(named.filter((_, k) => k !== i))))
    let result = reduced[0]!
    for (let i = 1; i < reduced.length; i++) result = contract(result, reduced[i]!, neededBy(reduced.slice(i + 1)))
    return transpose(
      result.t,
      output.map((letter) => result.letters.indexOf(letter)),
    )
  },
)
