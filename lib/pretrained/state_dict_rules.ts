// How the weights of layers are stored by PyTorch modules: names, layouts, and the order of gates.
import { WeftError } from '../core/error.js'
import type { Shape } from '../core/spec.js'
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer } from '../layers/layer.js'
import { add, concat, reshape, slice, transpose, zerosLike } from '../ops/index.js'

/** What is said of a layer beside its class. */
export interface ModuleFacts {
  /** Of a recurrent module of several layers: which one. Default 0. */
  readonly layer: number
  /** [channels, height, width] of what the module before a Linear flattened. Here channels are the last axis. */
  readonly flattened: Shape | undefined
}

export type Values = Readonly<Record<string, Tensor>>

/** Between the weights of a layer by their names here and those of a module. */
export interface Rule {
  /** Names of the module's tensors, by those of the layer's weights. */
  readonly names: (own: readonly string[], facts: ModuleFacts) => readonly string[]
  /** Tensors of the module → weights of the layer; `shapes` are those of the weights. */
  readonly read: (given: Values, shapes: Readonly<Record<string, Shape>>, facts: ModuleFacts) => Values
  readonly write: (own: Values, facts: ModuleFacts) => Values
}

/** Pairs of names that differ alone, or whose layouts differ by the order of their axes. */
interface Renamed {
  readonly own: string
  readonly other: string
  /** Axes of the other's value, in our order. Default: as they are. */
  readonly axes?: readonly number[]
}

const inverse = (axes: readonly number[]): number[] => axes.map((_, i) => axes.indexOf(i))

function renaming(pairs: readonly Renamed[]): Rule {
  const present = (own: readonly string[]): readonly Renamed[] => pairs.filter((pair) => own.includes(pair.own))
  return {
    names: (own) => present(own).map(({ other }) => other),
    read: (given) =>
      Object.fromEntries(
        pairs
          .filter(({ other }) => other in given)
          .map(({ own, other, axes }) => [own, axes ? transpose(given[other]!, axes) : given[other]!]),
      ),
    write: (own) =>
      Object.fromEntries(
        present(Object.keys(own)).map(({ own: name, other, axes }) => [other, axes ? transpose(own[name]!, inverse(axes)) : own[name]!]),
      ),
  }
}

const bias: Renamed = { own: 'bias', other: 'bias' }
const affine: readonly Renamed[] = [
  { own: 'gamma', other: 'weight' },
  { own: 'beta', other: 'bias' },
]

/** Features of a flattened image, channels first, as those of one with channels last; and back. */
function dense(): Rule {
  const plain = renaming([{ own: 'kernel', other: 'weight', axes: [1, 0] }, bias])
  return {
    ...plain,
    read: (given, shapes, { flattened }) => {
      if (!flattened) return plain.read(given, shapes, NO_FACTS)
      const weight = given['weight']!
      const [units] = weight.shape as [number]
      const ordered = reshape(transpose(reshape(weight, [units, ...flattened]), [2, 3, 1, 0]), [weight.size / units, units])
      return { ...given, kernel: ordered }
    },
    write: (own, { flattened }) => {
      if (!flattened) return plain.write(own, NO_FACTS)
      const [channels, height, width] = flattened as [number, number, number]
      const kernel = own['kernel']!
      const units = kernel.shape[1]!
      const { kernel: _, ...rest } = own
      const weight = reshape(transpose(reshape(kernel, [height, width, channels, units]), [3, 2, 0, 1]), [units, kernel.size / units])
      return { weight, ...rest }
    },
  }
}
const NO_FACTS: ModuleFacts = { layer: 0, flattened: undefined }

/** Parts of a matrix whose columns are gates, in another order. */
function gates(x: Tensor, order: readonly number[], axis: 0 | 1): Tensor {
  const each = x.shape[axis]! / order.length
  return concat(
    order.map((gate) => {
      const begin = x.shape.map((_, i) => (i === axis ? gate * each : 0))
      return slice(
        x,
        begin,
        x.shape.map((extent, i) => (i === axis ? each : extent)),
      )
    }),
    axis,
  )
}

/** A recurrent module: `order` says which of its gates is each of ours. */
function recurrent(order: readonly number[], suffix = ''): Rule {
  const named = (facts: ModuleFacts) =>
    ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((name) => `${name}_l${facts.layer}${suffix}`) as [string, string, string, string]
  return {
    names: (own, facts) => (own.includes('bias') ? named(facts) : named(facts).slice(0, 2)),
    read: (given, shapes, facts) => {
      const [input, hidden, first, second] = named(facts)
      const found: Record<string, Tensor> = {
        kernel: gates(transpose(given[input]!, [1, 0]), order, 1),
        recurrentKernel: gates(transpose(given[hidden]!, [1, 0]), order, 1),
      }
      if (first in given) {
        const [a, b] = [gates(given[first]!, order, 0), gates(given[second]!, order, 0)]
        found['bias'] = shapes['bias']?.length === 2 ? concat([reshape(a, [1, a.size]), reshape(b, [1, b.size])], 0) : add(a, b)
      }
      return found
    },
    write: (own, facts) => {
      const [input, hidden, first, second] = named(facts)
      const back = inverse(order)
      const found: Record<string, Tensor> = {
        [input]: transpose(gates(own['kernel']!, back, 1), [1, 0]),
        [hidden]: transpose(gates(own['recurrentKernel']!, back, 1), [1, 0]),
      }
      const both = own['bias']
      if (!both) return found
      const width = both.shape.at(-1)!
      const row = (i: number): Tensor => gates(reshape(slice(both, [i, 0], [1, width]), [width]), back, 0)
      found[first] = both.rank === 2 ? row(0) : gates(both, back, 0)
      found[second] = both.rank === 2 ? row(1) : zerosLike(found[first]!)
      return found
    },
  }
}

/** nn.MultiheadAttention: query, key and value in one matrix. */
const attention: Rule = {
  names: (own) =>
    own.includes('queryBias')
      ? ['in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias']
      : ['in_proj_weight', 'out_proj.weight'],
  read: (given, shapes) => {
    const found: Record<string, Tensor> = {}
    const part = (x: Tensor, i: number): Tensor =>
      slice(x, [i * (x.shape[0]! / 3), ...x.shape.slice(1).map(() => 0)], [x.shape[0]! / 3, ...x.shape.slice(1)])
    for (const [i, name] of ['query', 'key', 'value'].entries()) {
      found[`${name}Kernel`] = reshape(transpose(part(given['in_proj_weight']!, i), [1, 0]), shapes[`${name}Kernel`]!)
      if ('in_proj_bias' in given) found[`${name}Bias`] = reshape(part(given['in_proj_bias']!, i), shapes[`${name}Bias`]!)
    }
    found['outputKernel'] = reshape(transpose(given['out_proj.weight']!, [1, 0]), shapes['outputKernel']!)
    if ('out_proj.bias' in given) found['outputBias'] = given['out_proj.bias']!
    return found
  },
  write: (own) => {
    const flat = (name: string): Tensor => {
      const kernel = own[`${name}Kernel`]!
      const features = kernel.shape[0]!
      return transpose(reshape(kernel, [features, kernel.size / features]), [1, 0])
    }
    const names = ['query', 'key', 'value']
    const output = own['outputKernel']!
    const features = output.shape.at(-1)!
    return {
      in_proj_weight: concat(names.map(flat), 0),
      'out_proj.weight': transpose(reshape(output, [output.size / features, features]), [1, 0]),
      ...(own['queryBias']
        ? {
            in_proj_bias: concat(
              names.map((name) => reshape(own[`${name}Bias`]!, [own[`${name}Bias`]!.size])),
              0,
            ),
            'out_proj.bias': own['outputBias']!,
          }
        : {}),
    }
  },
}

/** nn.Conv2d with groups = channels: [channels · multiplier, 1, height, width]. */
const depthwise: Rule = {
  names: (own) => ['weight', ...(own.includes('bias') ? ['bias'] : [])],
  read: (given, shapes) => {
    const [height, width, channels, multiplier] = shapes['kernel'] as [number, number, number, number]
    const { weight, ...rest } = given
    return { kernel: transpose(reshape(weight!, [channels, multiplier, height, width]), [2, 3, 0, 1]), ...rest }
  },
  write: ({ kernel, ...rest }) => {
    const [height, width, channels, multiplier] = kernel!.shape as [number, number, number, number]
    return { weight: reshape(transpose(kernel!, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]), ...rest }
  },
}

const LSTM = [0, 1, 2, 3]
// ours: update, reset, candidate; theirs: reset, update, candidate
const GRU = [1, 0, 2]

const RULES: Readonly<Record<string, Rule>> = {
  Dense: dense(),
  Embedding: renaming([{ own: 'embeddings', other: 'weight' }]),
  Conv1d: renaming([{ own: 'kernel', other: 'weight', axes: [2, 1, 0] }, bias]),
  Conv2d: renaming([{ own: 'kernel', other: 'weight', axes: [2, 3, 1, 0] }, bias]),
  Conv2dTranspose: renaming([{ own: 'kernel', other: 'weight', axes: [2, 3, 1, 0] }, bias]),
  DepthwiseConv2d: depthwise,
  BatchNormalization: renaming([...affine, { own: 'movingMean', other: 'running_mean' }, { own: 'movingVariance', other: 'running_var' }]),
  LayerNormalization: renaming(affine),
  GroupNormalization: renaming(affine),
  RmsNormalization: renaming([{ own: 'scale', other: 'weight' }]),
  Lstm: recurrent(LSTM),
  Gru: recurrent(GRU),
  SimpleRnn: recurrent([0]),
  MultiHeadAttention: attention,
}
const REVERSED: Readonly<Record<string, Rule>> = {
  Lstm: recurrent(LSTM, '_reverse'),
  Gru: recurrent(GRU, '_reverse'),
  SimpleRnn: recurrent([0], '_reverse'),
}

/** The rule of a layer; ERR_ARGUMENT for one whose weights no module of PyTorch has in this form. */
export function ruleOf(layer: AnyLayer, reversed = false): Rule {
  const { className, config } = layer
  const table = reversed ? REVERSED : RULES
  const rule = Object.hasOwn(table, className) ? table[className] : undefined
  if (!rule)
    throw new WeftError('ERR_ARGUMENT', `state dict: layer '${layer.name}' is a ${className}, which has no rule`, {
      hint: `Layers with rules: ${Object.keys(RULES).join(', ')}, and Bidirectional ones`,
    })
  if (className === 'Gru' && (config as { resetAfter?: boolean }).resetAfter === false)
    throw new WeftError('ERR_ARGUMENT', `state dict: layer '${layer.name}' is a GRU with resetAfter: false; PyTorch's reset after`)
  return rule
}
