// A model of an ONNX file: read, checked, and made with the file's weights.
import { toBinary } from '@bufbuild/protobuf'
import { device as currentDevice, withDevice } from '../core/device.js'
import { pathOf, type Place } from '../core/place.js'
import { checkModel } from './import/checked_model.js'
import type { WeightValues } from './import/graph_layer.js'
import { OnnxModel } from './import/onnx_model.js'
import { withoutWeights } from './import/weights.js'
import type { ImportOnnxOptions } from './index.js'
import { parseModel, readModelFile } from './model_file.js'
import { ModelProtoSchema } from './proto/onnx_pb.js'
import { storedTensor } from './stored_tensor.js'

/** importOnnx, once its arguments are checked. */
export async function importModel(place: Place, { device = currentDevice(), name }: ImportOnnxOptions): Promise<OnnxModel> {
  const path = pathOf('importOnnx', place, 'file')
  const { model } = await readModelFile(path)
  const whole = checkModel(model, path)
  // bytes of the messages are parts of the file's: the model is made of messages without its weights, and lets go of it
  const bare = checkModel(parseModel(toBinary(ModelProtoSchema, withoutWeights(whole.model, whole.weights)), path), path)
  const tensors = new Map(whole.weights.map((weight) => [weight.name, weight.tensor]))
  const values: WeightValues = (weight) => storedTensor(tensors.get(weight.name)!, `${path}: tensor '${weight.name}'`)
  return withDevice(device, () => new OnnxModel(bare, values, name === undefined ? {} : { name }))
}
