// A model of an ONNX file: read, checked, and made with the file's weights.
import { device as currentDevice, withDevice } from '../core/device.js'
import { pathOf, type Place } from '../core/place.js'
import { checkModel } from './import/checked_model.js'
import { OnnxModel } from './import/onnx_model.js'
import type { ImportOnnxOptions } from './index.js'
import { readModelFile } from './model_file.js'
import { storedTensor } from './stored_tensor.js'

/** importOnnx, once its arguments are checked. */
export async function importModel(place: Place, { device = currentDevice(), name }: ImportOnnxOptions): Promise<OnnxModel> {
  const path = pathOf('importOnnx', place, 'file')
  const { model } = await readModelFile(path)
  const checked = checkModel(model, path)
  const values = ({ tensor, name: weight }: { tensor: Parameters<typeof storedTensor>[0]; name: string }) =>
    storedTensor(tensor, `${path}: tensor '${weight}'`)
  return withDevice(device, () => new OnnxModel(checked, values, name === undefined ? {} : { name }))
}
