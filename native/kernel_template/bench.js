// Run by `npm run bench`: the kernel beside the same formula in operations of Weft.
import { jit, mul, randomNormal } from 'weftjs'
import { my_op } from './my_op.js'

const x = randomNormal([1_000_000])
const sides = { my_op: jit((t) => my_op(t)), operations: jit((t) => mul(mul(t, t), t)) }
for (const [name, run] of Object.entries(sides)) {
  const times = []
  for (let round = 0; round < 50; round++) {
    const begin = performance.now()
    const y = run(x)
    await y.data()
    times.push(performance.now() - begin)
    y.dispose()
  }
  console.log(`${name}: ${Math.min(...times).toFixed(2)} ms`)
}
