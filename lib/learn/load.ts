// load: a saved estimator of any kind.
import { WeftError } from '../core/error.js'
import { checkCall, type OptionTable } from '../core/options.js'
import type { Place } from '../core/place.js'
import type { Estimator } from './estimator.js'
import { reviveStored, type Stored } from './estimator.js'
import { type BuildNetwork, type Network, NetworkClassifier, type NetworkParams, NetworkRegressor } from './selection/network.js'
import type { Search } from './selection/search.js'
import { fromPlainJson, readEstimator } from './store.js'

export interface LoadOptions {
  /** Parameters that replace the saved ones: functions of yours, such as a kernel, are not saved. */
  params?: object
}
const LOAD_OPTIONS: OptionTable<LoadOptions> = { params: 'object' }

/**
 * The estimator that save() wrote, with what it has learned: its predictions are bit for bit the same. A search that
 * was saved tells what it found and predicts; it is not run again. Of networks, `params: { build }` gives the function
 * that fit() calls.
 * ERR_FORMAT where the folder holds none, or a damaged one.
 */
export async function load<T = Estimator>(folder: Place, options: LoadOptions = {}): Promise<T> {
  checkCall('load(folder, options)', arguments, LOAD_OPTIONS)
  try {
    return reviveStored(await readEstimator('load', folder), options.params) as unknown as T
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_FORMAT') throw error
    const network = await savedNetwork(folder, options.params)
    if (network === undefined) throw error
    return network as T
  }
}

/** The network with which weftjs/learn saved a model of its own, or a search; undefined for another folder. */
async function savedNetwork(folder: Place, params: object = {}): Promise<unknown> {
  const { loadModel } = await import('../io/load.js')
  const net = await loadModel(folder).catch(() => undefined)
  if (net === undefined) return undefined
  const assets = net.assets as Readonly<Record<string, unknown>>
  const {
    kind,
    params: own,
    search,
  } = (fromPlainJson(assets['learn'] ?? {}) ?? {}) as { kind?: string; params?: NetworkParams; search?: Stored }
  if (kind !== 'networkClassifier' && kind !== 'networkRegressor') {
    net.dispose()
    return undefined
  }
  const { build = unknownBuild, ...rest } = params as { build?: BuildNetwork; [name: string]: unknown }
  const model = kind === 'networkClassifier' ? new NetworkClassifier(build, own ?? {}) : new NetworkRegressor(build, own ?? {})
  model.adopt(net as unknown as Network, assets)
  if (search === undefined) return model.setParams(rest)
  const found = reviveStored({ ...search, state: undefined }, rest) as unknown as Search
  found.restore(search.state, model as never)
  return found
}

const unknownBuild: BuildNetwork = () => {
  throw new WeftError('ERR_STATE', 'load: the function that builds the network is not saved', {
    hint: 'Write load(folder, { params: { build } })',
  })
}
