// exportTfjs: a model as a layers model of TensorFlow.js: model.json, and weights in shards beside it.
import path from 'node:path'
import { createHash } from 'node:crypto'
import { integer } from '../core/checks.js'
import { WeftError } from '../core/error.js'
import { makeFolder } from '../core/make_folder.js'
import { checkCall, type OptionTable } from '../core/options.js'
import { pathOf, type Place } from '../core/place.js'
import { systemError } from '../core/system_error.js'
import { writeNew } from '../io/folder.js'
import { replaceFile } from '../io/replace_file.js'
import { writeAll } from '../io/safetensors.js'
import { type AnyModel, Model } from '../model/model.js'
import { writeTopology } from './tfjs_topology.js'

export interface ExportTfjsOptions {
  /** Most bytes of a file of weights. Default 4 MiB, which browsers keep. */
  shardBytes?: number
}
const OPTIONS: OptionTable<ExportTfjsOptions> = { shardBytes: 'integer' }

declare module '../model/model.js' {
  interface Model<C extends object, I, O> {
    /**
     * Writes the model as a layers model of TensorFlow.js in a folder (a path or a file: URL): model.json, and its
     * weights in files of at most `shardBytes`. There `tf.loadLayersModel()` reads it, and it predicts what it predicts
     * here. Optimizer and compilation stay behind.
     * Throws ERR_ARGUMENT with everything that TensorFlow.js does not have, before anything is written; ERR_STATE
     * before the weights exist, and for a full disk and the like.
     */
    exportTfjs(folder: Place, options?: ExportTfjsOptions): Promise<void>
  }
}

async function exportTfjs(model: AnyModel, place: Place, options: ExportTfjsOptions): Promise<void> {
  const folder = pathOf('exportTfjs', place)
  const most = integer('exportTfjs', 'shardBytes', options.shardBytes ?? 4 << 20, 1024)
  if (!model.built)
    throw new WeftError('ERR_STATE', `${model.name}: exportTfjs() before the weights exist`, {
      hint: 'Give the first layer inputShape, or call the model on data first',
    })
  const { topology, weights } = writeTopology(model)
  // copies, because steps may run while the files are written
  const copies = weights.map(({ variable }) => variable.data())
  const values = (await Promise.all(copies)).map((data) => Float32Array.from(data as Float32Array))
  const bytes = Buffer.concat(values.map((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))
  const count = Math.max(1, Math.ceil(bytes.length / most))
  const names = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`)
  const specs = weights.map(({ name, variable }) => ({ name, shape: variable.shape, dtype: 'float32' }))
  const json = {
    format: 'layers-model',
    generatedBy: 'weftjs',
    convertedBy: null,
    modelTopology: topology,
    weightsManifest: weights.length === 0 ? [] : [{ paths: names, weights: specs }],
  }
  try {
    await makeFolder(folder)
    if (weights.length > 0)
      for (const [i, name] of names.entries()) await write(path.join(folder, name), bytes.subarray(i * most, (i + 1) * most))
    // last: who reads it finds its weights
    await write(path.join(folder, 'model.json'), Buffer.from(`${JSON.stringify(json)}\n`))
  } catch (error) {
    throw systemError(`exportTfjs: ${folder} cannot be written`, error, 'ERR_ARGUMENT')
  }
}

const write = (file: string, bytes: Uint8Array): Promise<void> =>
  replaceFile('exportTfjs', file, (fresh) => writeNew(fresh, (handle) => writeAll(handle, bytes, createHash('sha256'))))

Model.prototype.exportTfjs = async function (place: Place, options: ExportTfjsOptions = {}): Promise<void> {
  checkCall('exportTfjs(folder, options)', arguments, OPTIONS)
  return exportTfjs(this, place, options)
}
