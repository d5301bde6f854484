// What the system and the environment allow: too few threads, too few kinds of kernels, settings that make no sense.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { devices, jit, layers, ones, WeftError } from '../../lib/index.js'
import { testWith } from '../skip.js'

const index = new URL('../../lib/index.js', import.meta.url).href

/** Runs a module in a process of its own; what it printed. */
function program(text: string, args: string[], env: Record<string, string>): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--input-type=module', '-e', text, '--', ...args], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_DEVICE: 'cpu', ...env },
  })
}

/** Trains and multiplies where only so many threads more may start; prints what comes out. */
const LIMITED = `
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { layers, ones, sequential, setSeed } from '${index}'
const threads = Number(/^Threads:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
const limit = threads + Number(process.argv[1])
spawnSync('prlimit', ['--pid', String(process.pid), '--nproc=' + limit + ':' + limit])
if (process.getuid() === 0) process.setuid(61234) // limits do not hold for root
const sum = await ones([256, 256]).matMul(ones([256, 256])).sum().item()
setSeed(1)
const net = sequential([layers.dense({ units: 64, activation: 'relu', inputShape: [64] }), layers.dense({ units: 1 })])
net.compile({ optimizer: 'adam', loss: 'meanSquaredError' })
const history = await net.fit(ones([256, 64]), ones([256, 1]), { epochs: 2, verbose: 0 })
const started = Number(/^Threads:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) - threads
// JavaScript still computes with numbers too small for a normal exponent
const small = new Float64Array([2 ** -1060]).map((value) => value * 2)[0]
console.log(JSON.stringify({ sum, loss: history.history.loss, started, small }))
`

const canLimit = spawnSync('prlimit', ['--version']).status === 0

testWith(canLimit, 'prlimit', 'threads that cannot start are done without, and results stay the same', () => {
  const results = [0, 1, 2, 8].map((more) => {
    const { status, stdout, stderr } = program(LIMITED, [String(more)], { WEFT_THREADS: '4' })
    assert.is(status, 0, `${more} more threads: ${stderr}`)
    return JSON.parse(stdout) as { sum: number; loss: number[]; started: number; small: number }
  })
  assert.equal(
    results.map(({ started }) => started),
    [0, 1, 2, 4],
  )
  for (const { sum, loss, small } of results) {
    assert.is(sum, 256 ** 3)
    assert.equal(loss, results[3]!.loss)
    assert.is(small, 2 ** -1059)
  }
})

const failure = (env: Record<string, string>): string => {
  const text = `import('${index}').then(({ ones }) => ones([2]).add(1).array(), (error) => console.log(error.name, error.code, error.message))`
  return program(text, [], env).stdout
}

test('settings that make no sense are errors that name the variable', () => {
  for (const value of ['abc', '0', '-1', '1.5', '4x', '100000'])
    assert.match(failure({ WEFT_THREADS: value }), new RegExp(`^WeftError ERR_ARGUMENT WEFT_THREADS=${value}: .* from 1 to 1024`))
  assert.match(failure({ WEFT_CPU_LEVEL: 'sse9' }), /^WeftError ERR_ARGUMENT WEFT_CPU_LEVEL=sse9: .*portable, avx2, avx512/)
  assert.is(failure({ WEFT_THREADS: '', WEFT_CPU_LEVEL: '' }), '')
})

test('a level that the addon has no kernels for, or the processor no instructions, is an error', () => {
  const { level, levels } = devices()[0]!
  assert.ok(levels!.includes(level!))
  for (const name of ['portable', 'avx2', 'avx512']) {
    const said = failure({ WEFT_CPU_LEVEL: name })
    if (levels!.includes(name) && said === '') continue
    assert.match(
      said,
      new RegExp(`^WeftError ERR_ARGUMENT WEFT_CPU_LEVEL=${name}: (the best that this processor|.*weftjs build --levels ${name})`),
    )
  }
})

/** Steps of adam with the same gradients; prints the weights as a digest. */
const STEPS = `
import { createHash } from 'node:crypto'
import { optimizers, randomNormal, setSeed, variable } from '${index}'
setSeed(1)
const weights = variable(randomNormal([10000]))
const adam = optimizers.adam()
for (let i = 0; i < 20; i++) adam.apply([randomNormal([10000])], [weights])
console.log(createHash('sha256').update(new Uint8Array((await weights.data()).buffer)).digest('hex'))
`
const fused = devices()[0]!.levels!.filter((level) => ['avx2', 'avx512'].includes(level) && failure({ WEFT_CPU_LEVEL: level }) === '')

testWith(fused.length === 2, 'AVX-512', 'adam makes the same weights of the same gradients with AVX2 and with AVX-512', () => {
  const [narrow, broad] = fused.map((level) => {
    const { status, stdout, stderr } = program(STEPS, [], { WEFT_CPU_LEVEL: level })
    assert.is(status, 0, stderr)
    return stdout
  })
  assert.is(narrow, broad)
})

test('an attribute that a joined call does not know is refused', async () => {
  const { load } = native
  const layer = layers.lstm({ units: 32 })
  const x = ones([16, 8, 32])
  await layer.apply(x).array()
  const ops: string[] = []
  native.load = (spec, device) => {
    for (const call of spec.calls) {
      ops.push(call.op)
      if (call.op === 'dense') call.attrs = { ...call.attrs, surplus: 1 }
    }
    return load(spec, device)
  }
  try {
    jit((input: typeof x) => layer.apply(input))(x)
    assert.unreachable(`nothing was thrown for ${ops.join(' ')}`)
  } catch (error) {
    assert.instance(error, WeftError)
    assert.match((error as WeftError).message, /no attribute 'surplus'/)
  } finally {
    native.load = load
  }
  assert.ok(ops.includes('dense') && ops.includes('lstm'), ops.join(' '))
})

test.run()
