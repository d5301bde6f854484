// What each row is to reach, as a multiple of its peer's speed on one thread, by instruction set.
import { peerLevel } from './side.mjs'

const avx2 = {
  train: { mnist: { 32: 7, 128: 7 }, cifar: { 32: 2.2, 128: 2.2 }, mlp: { 32: 4, 128: 2 } },
  infer: { 1: 1.5, 64: 1.5 },
  recurrent: { lstm: 1.9, gru: 2.2, classifier: { 32: 2.3, 128: 1.8 } },
  gpt: 1.5,
  gpt2: 1.3,
  attention: 1.2,
  convolution: 1,
  matMul: (rows) => (rows <= 128 ? 1.1 : 0.95),
}

const avx512 = {
  ...avx2,
  train: { mnist: { 32: 8, 128: 8 }, cifar: { 32: 2.5, 128: 2.2 }, mlp: { 32: 5, 128: 2 } },
  infer: { 1: 2, 64: 2.5 },
  recurrent: { lstm: 4, gru: 2.2, classifier: { 32: 3, 128: 2 } },
  attention: 1,
  matMul: (rows) => (rows <= 128 ? 1.1 : 1),
}

export const goals = peerLevel === 'avx512' ? avx512 : avx2
