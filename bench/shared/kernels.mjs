// The kernels that are timed alone, with their work per call: what kernels.mjs asks of both sides.

const matMul = (m, k, n) => ({ kind: 'matMul', name: `matMul ${m}x${k}x${n}`, m, k, n, flops: 2 * m * k * n })

const convolution = (title, batch, side, channels, filters) => {
  const shape = { batch, side, channels, filters, title }
  const flops = 2 * batch * (side - 2) ** 2 * 9 * channels * filters
  return (
    ['forward', 'data gradient', 'filter gradient']
      // The data gradient of a first layer is never computed.
      .filter((pass) => pass !== 'data gradient' || channels > 3)
      .map((pass) => ({ kind: 'convolution', name: `convolution ${title} batch ${batch}, ${pass}`, pass, flops, ...shape }))
  )
}

// bytes: what must be read and written once.
const wide = 4 * 2 ** 22
const bandwidth = (op, bytes) => ({ kind: 'bandwidth', name: `${op} ${op === 'softmax' ? '4096x1024' : '4M'}`, op, bytes })

export const kernels = [
  matMul(128, 128, 128),
  matMul(512, 512, 512),
  matMul(1024, 1024, 1024),
  matMul(2048, 2048, 2048),
  matMul(32, 784, 128),
  matMul(32, 128, 512),
  matMul(32, 128, 10),
  matMul(1, 784, 128),
  matMul(128, 784, 128),
  ...convolution('56x56x64→64', 8, 58, 64, 64),
  ...convolution('MNIST 28x28x1→32', 32, 28, 1, 32),
  ...convolution('CIFAR 32x32x3→32', 32, 32, 3, 32),
  ...convolution('CIFAR 15x15x32→64', 32, 15, 32, 64),
  ...convolution('ResNet 14x14x256→256', 8, 16, 256, 256),
  ...convolution('ResNet 7x7x512→512', 8, 9, 512, 512),
  bandwidth('add', 3 * wide),
  bandwidth('relu', 2 * wide),
  bandwidth('exp', 2 * wide),
  bandwidth('tanh', 2 * wide),
  bandwidth('sum', wide),
  bandwidth('softmax', 2 * wide),
]
