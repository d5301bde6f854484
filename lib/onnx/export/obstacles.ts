// Obstacles: all that stands in the way of an export, told at once.
import { WeftError } from '../../core/error.js'

export class Obstacles {
  private readonly list: string[] = []

  /** Adds one, unless it is there already: an operation may stand in a layer many times. */
  add(text: string): void {
    if (!this.list.includes(text)) this.list.push(text)
  }

  /** ERR_ARGUMENT with all of them, if there are any. */
  check(model: string): void {
    if (this.list.length === 0) return
    const many = this.list.length === 1 ? 'one thing' : `${this.list.length} things`
    throw new WeftError('ERR_ARGUMENT', `exportOnnx: ${model} has ${many} that ONNX cannot say: ${this.list.join('; ')}`, {
      hint: 'Leave these out, for example in a model({ inputs, outputs }) of the other layers',
    })
  }
}
