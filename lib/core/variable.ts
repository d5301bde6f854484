// Variables: how state is made and given its next value.
import { applyOne, overwrite } from './apply.js'
import { asTensor, tensor } from './create.js'
import { WeftError } from './error.js'
import { currentTrace, outsideTrace } from './graph.js'
import { opNamed } from './op.js'
import { checkCall, type OptionTable } from './options.js'
import { castTo } from './read.js'
import { type DType, sameShape } from './spec.js'
import { Tensor, type TensorLike, Variable, type VariableOptions } from './tensor.js'
import type { DTypeOf, KnownDType, ShapeOf, ValuesDType } from './tensor_types.js'
import type { AssignCheck } from './tensor_shapes.js'

const OPTIONS: OptionTable<VariableOptions & { dtype?: DType }> = { name: 'string', trainable: 'boolean', dtype: 'string' }

/** State holding a copy of the value. Made outside any recording; ERR_TRACE for a traced value. */
export function variable<const V extends TensorLike, D extends DType = V extends Tensor ? DTypeOf<V> : ValuesDType<V>>(
  value: V,
  options: VariableOptions & { dtype?: D } = {},
): Variable<ShapeOf<V>, KnownDType<D>> {
  checkCall('variable(value, options)', arguments, OPTIONS)
  return outsideTrace(() => {
    if (value instanceof Tensor && value.recording !== undefined) {
      throw new WeftError('ERR_TRACE', 'variable: the value is traced, and state must exist before the step that uses it', {
        hint: 'Make the variable outside the traced function, then assign() to it inside',
      })
    }
    const { dtype } = options
    const source = value instanceof Tensor ? value : tensor(value, dtype ? { dtype } : {})
    const own =
      dtype && dtype !== source.dtype
        ? castTo(source, dtype)
        : value instanceof Tensor
          ? applyOne(opNamed('identity'), [source], {})
          : source
    return keeping(own, options) as Variable<ShapeOf<V>, KnownDType<D>>
  })
}

/** A variable in the memory of a tensor, which is disposed. */
function keeping(value: Tensor, options: VariableOptions): Variable {
  value.held().users++
  const made: Variable = new Variable(value, options)
  value.dispose()
  return made
}

/**
 * @internal A variable in the memory of a tensor that was made for it, which is disposed. Large weights need not be
 * copied then. The value is copied where another tensor sees the same memory.
 */
export function variableOf(value: Tensor, options: VariableOptions): Variable {
  return outsideTrace(() => {
    if (!(value instanceof Variable) && value.recording === undefined && value.held().users === 1) return keeping(value, options)
    const made: Variable = variable(value, options)
    value.dispose()
    return made
  })
}

function assign(this: Variable, value: TensorLike): Variable {
  checkCall('assign(value)', arguments)
  let source = asTensor(value, this)
  if (!sameShape(source.shape, this.shape)) {
    throw new WeftError('ERR_SHAPE', `assign: variable '${this.name}' has shape [${this.shape}], the value [${source.shape}]`, {
      shapes: [this.shape, source.shape],
    })
  }
  if (source.dtype !== this.dtype) source = castTo(source, this.dtype)
  const trace = currentTrace()
  if (trace) {
    this.held()
    trace.assign(this, source)
  } else overwrite(this, source)
  return this
}
Object.defineProperty(Variable.prototype, 'assign', { value: assign, writable: true, configurable: true })

declare module './tensor.js' {
  interface VariableFacts {
    /**
     * Replaces the value. In a traced function it takes effect when the step succeeds; reads after it, in the same
     * function, see the new value.
     */
    assign<W extends Tensor, V extends TensorLike>(this: W, value: V & AssignCheck<ShapeOf<W>, ShapeOf<V>>): W
  }
}
