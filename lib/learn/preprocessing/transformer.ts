// TransformerBase: the base of steps that change X.
import { WeftError } from '../../core/error.js'
import { show } from '../../core/options.js'
import { Learner, type State } from '../estimator.js'
import type { TableLike } from './table.js'

/** O: parameters; S: what is learned; X: what it reads. */
export abstract class TransformerBase<O extends object, S extends State, X = TableLike> extends Learner<O, S> {
  /** Learns from X, which should be the training part alone. Resolves with the transformer. */
  abstract fit(x: X, y?: unknown): Promise<this>
  /** New columns for each row of X. */
  abstract transform(x: X): Promise<unknown>

  /** Names of the new columns, from those of X; default x0, x1, ... or the names of records. */
  abstract getFeatureNamesOut(names?: readonly string[]): string[]

  /** fit(X), then transform(X). */
  async fitTransform(x: X, y?: unknown): Promise<Awaited<ReturnType<this['transform']>>> {
    await this.fit(x, y)
    return (await this.transform(x)) as Awaited<ReturnType<this['transform']>>
  }

  /** The names given, or those of the records, or x0, x1, ... */
  protected namesFor(columns: number, known: readonly string[] | null | undefined, given?: readonly string[]): readonly string[] {
    const names = given ?? known ?? Array.from({ length: columns }, (_, i) => `x${i}`)
    if (!Array.isArray(names) || names.length !== columns || !names.every((name) => typeof name === 'string'))
      throw new WeftError('ERR_ARGUMENT', `${this.kind}: there are ${columns} columns, the names are ${show(given)}`)
    return names
  }
}
