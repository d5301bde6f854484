// Kernel libraries: an op of a user's own, with a kernel in C++ built against the packed headers; and libraries that
// are refused.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineOp, grad, jit, loadKernels, type Tensor, tensor } from '../../lib/index.js'
import { testWith } from '../skip.js'
import { codeOf, values } from '../expect.js'

const native = fileURLToPath(new URL('../../../native', import.meta.url))
const compiler = process.env['CXX'] ?? 'g++'
const hasCompiler = spawnSync(compiler, ['--version']).status === 0
const folder = mkdtempSync(path.join(tmpdir(), 'weft-kernels-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function build(name: string, source: string): string {
  const file = path.join(folder, `${name}.cc`)
  const library = path.join(folder, `${name}.so`)
  writeFileSync(file, source)
  const args = [
    '-std=c++20',
    '-O1',
    '-fPIC',
    '-shared',
    '-fvisibility=hidden',
    `-I${native}`,
    file,
    path.join(native, 'kernel.cc'),
    '-o',
    library,
  ]
  const { status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return library
}

testWith(hasCompiler, 'a C++ compiler', 'a kernel of a user: eager, traced and differentiated', async () => {
  const library = build(
    'scale',
    `#include "kernel_library.h"
     WEFT_KERNEL_LIBRARY
     namespace weft {
     KERNEL(cpu, test_scale) {
       const View x = call.in[0], y = call.out[0];
       const float by = float(call.attrs.number("by"));
       call.in_place(0, 0);
       return [=](const Frame& frame) {
         for (int64_t i = 0; i < x.size(); i++) frame.at<float>(y)[i] = by * frame.at<float>(x)[i];
       };
     }
     }`,
  )
  assert.equal(loadKernels(library), ['test_scale'])
  const scale: (inputs: readonly Tensor[], attrs?: { by: number }) => Tensor | Tensor[] = defineOp<{ by: number }>({
    name: 'test_scale',
    shape: ([x]) => x!,
    grad: ([g], { attrs }) => [scale([g!], attrs) as Tensor],
  })
  const x = tensor([1, 2, 3])
  assert.equal(await values(scale([x], { by: 3 }) as Tensor), [3, 6, 9])
  assert.equal(await values(jit((t: Tensor) => (scale([t.add(1)], { by: 2 }) as Tensor).sum())(x)), [18])
  assert.equal(await values(grad((t: Tensor) => (scale([t], { by: 5 }) as Tensor).sum())(x)), [5, 5, 5])
  for (const dtype of ['int32', 'uint8', 'bool', 'float64'] as const)
    assert.is(
      codeOf(() => scale([tensor([1, 2], { dtype })], { by: 3 })),
      'ERR_DTYPE',
      dtype,
    )
  // an attribute the kernel does not read is a mistake on one of the two sides
  assert.is(
    codeOf(() => scale([x], { by: 3, extra: 1 } as { by: number })),
    'ERR_ARGUMENT',
  )
})

testWith(hasCompiler, 'a C++ compiler', 'libraries that are refused', () => {
  assert.is(
    codeOf(() => loadKernels(build('none', 'int nothing() { return 0; }'))),
    'ERR_FORMAT',
  )
  const foreign = build(
    'foreign',
    'extern "C" __attribute__((visibility("default"))) const char* weft_kernels(void*, unsigned, unsigned long) { return "it was built for another version"; }',
  )
  assert.throws(() => loadKernels(foreign), /another version/)
})

test('a file that is no library', () => {
  assert.is(
    codeOf(() => loadKernels('/nowhere/mine.so')),
    'ERR_FORMAT',
  )
})

test.run()
