// The device table is the only file of lib that names a kind of device beside the CPU: a new backend is a row there.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACCELERATORS, kindOf } from '../../lib/core/device_kinds.js'

const lib = path.join(import.meta.dirname, '..', '..', '..', 'lib')
const TABLE = 'core/device_kinds.ts'

/** The code of a source file, without its comments. */
const codeOf = (file: string): string =>
  readFileSync(path.join(lib, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')

/** Where the code has a kind of device, or the id of one, in quotation marks. */
const kindsNamed = (file: string): string[] =>
  codeOf(file)
    .split('\n')
    .filter((line) => ACCELERATORS.some((kind) => new RegExp(`['"\`]${kind}(:\\d*)?['"\`]`).test(line)))
    .map((line) => `${file}: ${line.trim()}`)

test('no other file names a kind of device', () => {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  assert.ok(files.length > 200 && files.includes(TABLE))
  assert.is(kindsNamed(TABLE).length, 1, 'the type; the row is a key')
  assert.equal(files.filter((file) => file !== TABLE).flatMap(kindsNamed), [])
})

test('ids of devices', () => {
  for (const id of ['cuda', 'cuda:0', 'cuda:12']) assert.is(kindOf(id), 'cuda')
  assert.is(kindOf('cpu'), 'cpu')
  for (const id of ['', 'gpu', 'cuda:', 'cuda:x', 'cuda:-1', 'cuda:1:2', 'cpu:0']) assert.is(kindOf(id), undefined)
})

test.run()
