// Trees, forests and boosted trees in an ONNX graph: TreeEnsembleRegressor of ai.onnx.ml, which adds up their leaves.
import type { Boosted } from '../boosting/boost.js'
import type { Label } from '../matrix.js'
import type { Tree } from '../tree/tree.js'
import { bothChances, classified, softmaxOf } from './classes.js'
import type { Features, Made, Sheet } from './sheet.js'

interface Grown {
  readonly feature: Int32Array
  readonly threshold: Float64Array
  readonly left: Int32Array
  readonly right: Int32Array
  readonly missingLeft?: Uint8Array
}

/** What a leaf adds to outputs. */
type Leaf = (tree: number, node: number) => readonly { output: number; value: number }[]

/** The largest float32 that is not above a number: float32 values up to the one are those up to the other. */
export function below(threshold: number): number {
  const near = Math.fround(threshold)
  if (!(near > threshold)) return near
  const bits = new Int32Array(Float32Array.of(near).buffer)
  if (near > 0) bits[0]!--
  else if (near < 0) bits[0]!++
  else bits[0] = -0x7fffffff
  return new Float32Array(bits.buffer)[0]!
}

/** The sum of the leaves: [rows, outputs], as float64. */
function ensemble(sheet: Sheet, x: Features, trees: readonly Grown[], outputs: number, leaf: Leaf): string {
  const nodes = { trees: [] as number[], ids: [] as number[], features: [] as number[], values: [] as number[], modes: [] as string[] }
  const next = { left: [] as number[], right: [] as number[], missing: [] as number[] }
  const target = { trees: [] as number[], nodes: [] as number[], ids: [] as number[], weights: [] as number[] }
  for (const [t, { feature, threshold, left, right, missingLeft }] of trees.entries())
    for (let node = 0; node < feature.length; node++) {
      const isLeaf = feature[node]! < 0
      nodes.trees.push(t)
      nodes.ids.push(node)
      nodes.features.push(isLeaf ? 0 : feature[node]!)
      nodes.values.push(isLeaf ? 0 : below(threshold[node]!))
      nodes.modes.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ')
      next.left.push(isLeaf ? 0 : left[node]!)
      next.right.push(isLeaf ? 0 : right[node]!)
      next.missing.push(isLeaf ? 0 : (missingLeft?.[node] ?? 0))
      if (!isLeaf) continue
      for (const { output, value } of leaf(t, node)) {
        target.trees.push(t)
        target.nodes.push(node)
        target.ids.push(output)
        target.weights.push(value)
      }
    }
  const sums = sheet.op('ai.onnx.ml.TreeEnsembleRegressor', [sheet.narrow(x)], {
    n_targets: { int: outputs },
    nodes_treeids: { ints: nodes.trees },
    nodes_nodeids: { ints: nodes.ids },
    nodes_featureids: { ints: nodes.features },
    nodes_values: { floats: nodes.values },
    nodes_modes: { texts: nodes.modes },
    nodes_truenodeids: { ints: next.left },
    nodes_falsenodeids: { ints: next.right },
    nodes_missing_value_tracks_true: { ints: next.missing },
    target_treeids: { ints: target.trees },
    target_nodeids: { ints: target.nodes },
    target_ids: { ints: target.ids },
    target_weights: { floats: target.weights },
  })
  return sheet.cast(sums, 'float64')
}

export function forest(sheet: Sheet, x: Features, { trees, classes }: { trees: readonly Tree[]; classes?: Label[] }): Made {
  const outputs = classes?.length ?? 1
  const mean = trees.length > 1
  const sums = ensemble(sheet, x, trees, outputs, (t, node) =>
    Array.from({ length: outputs }, (_, output) => ({ output, value: trees[t]!.value[node * outputs + output]! })),
  )
  const means = mean ? sheet.op('Div', [sums, sheet.constant('trees', [trees.length], [])]) : sums
  if (classes !== undefined) return classified(sheet, { classes, scores: means, chances: means }, false)
  return { outputs: [{ name: 'prediction', from: means, dtype: 'float64', columns: 1 }] }
}

export function boosted(sheet: Sheet, x: Features, { trees, outputs, baseline, classes }: Boosted & { classes?: Label[] }): Made {
  const sums = ensemble(sheet, x, trees, outputs, (t, node) => [{ output: t % outputs, value: trees[t]!.value[node]! }])
  const scores = sheet.add(sums, sheet.constant('baseline', baseline))
  if (classes === undefined) return { outputs: [{ name: 'prediction', from: scores, dtype: 'float64', columns: 1 }] }
  const single = outputs === 1
  return classified(sheet, { classes, scores, chances: single ? bothChances(sheet, scores) : softmaxOf(sheet, scores) }, single)
}
