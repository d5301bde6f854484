// Random numbers: those of a runtime would be others at every run, and none that a seed here gives.
import { Unsupported } from '../unsupported.js'
import type { Operator, Operators } from './operator.js'

const refused: Operator = () => {
  throw new Unsupported('it draws random numbers: call its layer with training: false')
}

export const random: Operators = {
  randomUniform: refused,
  randomNormal: refused,
  truncatedNormal: refused,
  randomInteger: refused,
  bernoulli: refused,
  dropout: refused,
}
