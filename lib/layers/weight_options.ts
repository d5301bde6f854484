// Options of weights: initializers, regularizers and constraints are found by their names. Each weight keeps its
// constraint.
import * as constraints from '../constraints.js'
import type { ConstraintFunction, ConstraintLike } from '../constraints.js'
import * as initializers from '../initializers/index.js'
import type { InitializerFunction, InitializerLike } from '../initializers/index.js'
import { resolveNamed } from '../core/named.js'
import * as regularizers from '../regularizers.js'
import type { RegularizerFunction, RegularizerLike } from '../regularizers.js'
import type { Variable } from '../core/tensor.js'

export const getInitializer = (value: InitializerLike): InitializerFunction =>
  resolveNamed<InitializerFunction>('initializer', initializers, value)

export const getRegularizer = (value: RegularizerLike | undefined | null): RegularizerFunction | undefined =>
  value === undefined || value === null ? undefined : resolveNamed<RegularizerFunction>('regularizer', regularizers, value)

export const getConstraint = (value: ConstraintLike | undefined | null): ConstraintFunction | undefined =>
  value === undefined || value === null ? undefined : resolveNamed<ConstraintFunction>('constraint', constraints, value)

const constraintsOfWeights = new WeakMap<Variable, ConstraintFunction>()

/** What the weight must fulfil after each update. */
export const constraintOf = (weight: Variable): ConstraintFunction | undefined => constraintsOfWeights.get(weight)

export const setConstraint = (weight: Variable, constraint: ConstraintFunction): void => {
  constraintsOfWeights.set(weight, constraint)
}
