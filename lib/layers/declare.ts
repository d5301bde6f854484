// layer(): declares a class of layers once. It gives the typed factory, and registers the class under the name that
// saved models use.
import { WeftError } from '../core/error.js'
import { factoryName } from '../core/named.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { markSeeing } from './context.js'
import type { AnyLayer, LayerOptions } from './layer.js'
import type { CellLike } from './recurrent/cell.js'
import { markDeclared } from './weights.js'

/** A class that can be made again from its config. */
export type LayerClass = new (config: never) => AnyLayer | CellLike

/** Classes of layers by the name that saved models use. */
export const layerClasses: Map<string, LayerClass> = new Map()

// biome-ignore lint/suspicious/noExplicitAny: constructors of all configs
type Constructor = new (config?: any) => AnyLayer

/** Of a class without options of its own. */
export type NoOptions = Record<never, never>

/** The options of a class, without those of every layer. */
type OwnOptions<K extends Constructor> = Omit<NonNullable<ConstructorParameters<K>[0]>, keyof LayerOptions>

/** A function that takes what the class's constructor takes. */
export type LayerFactory<K extends Constructor> = (...config: ConstructorParameters<K>) => InstanceType<K>

/** The function that makes layers of the class; its `options` must name every option of its constructor. */
export function layer<K extends Constructor & { className: string; options: OptionTable<OwnOptions<K>> }>(made: K): LayerFactory<K> {
  const { className } = made
  if (layerClasses.has(className)) throw new WeftError('ERR_STATE', `there are two classes of layers named ${className}`)
  layerClasses.set(className, made as unknown as LayerClass)
  markSeeing(made)
  markDeclared(made)
  const signature = `layers.${factoryName(className)}(options)`
  const factory = (...config: unknown[]): InstanceType<K> => {
    checkCall(signature, config)
    return new made(...(config as [])) as InstanceType<K>
  }
  return factory as LayerFactory<K>
}
