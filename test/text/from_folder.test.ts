// Texts in files, one folder for each class.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layers, sequential, text } from '../../lib/index.js'
import { rejects, throws } from '../expect.js'

const root = mkdtempSync(path.join(os.tmpdir(), 'weft-texts-'))
test.after(() => rmSync(root, { recursive: true }))
function put(name: string, contents: string | Uint8Array): string {
  const file = path.join(root, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, contents)
  return file
}
put('mail/spam/b.txt', 'buy now')
put('mail/spam/a.txt', 'cheap caf\u00e9')
put('mail/ham/2003/old', 'see you')
put('mail/ham/new.txt', '')
put('mail/ham/.hidden', 'no')
put('mail/README', 'of no class')
const mail = path.join(root, 'mail')

test('classes and files in the order of their names', async () => {
  const texts = text.fromFolder(mail)
  assert.equal(texts.classNames, ['ham', 'spam'])
  assert.is(texts.size, 4)
  const found = await texts.toArray()
  assert.equal(
    found.map(({ text, y, file }) => [text, y, path.relative(mail, file)]),
    [
      ['see you', 0, 'ham/2003/old'],
      ['', 0, 'ham/new.txt'],
      ['cheap caf\u00e9', 1, 'spam/a.txt'],
      ['buy now', 1, 'spam/b.txt'],
    ],
  )
  const chosen = text.fromFolder(mail, { classNames: ['spam', 'ham'], extensions: ['.txt'] })
  assert.equal(
    (await chosen.toArray()).map(({ y }) => y),
    [0, 0, 1],
  )
  assert.equal((await texts.shuffle({ seed: 3 }).toArray()).map(({ text }) => text).sort(), ['', 'buy now', 'cheap caf\u00e9', 'see you'])
})

test('a tokenizer and a network learn from it', async () => {
  const texts = text.fromFolder(mail)
  const tokenizer = text.tokenizer({ oovToken: '<oov>' })
  tokenizer.fitOnTexts((await texts.toArray()).map(({ text }) => text))
  const batches = texts
    .map(({ text: one, y }) => ({ x: text.padSequences(tokenizer.textsToSequences([one]), { maxLen: 3 }).reshape([3]), y }))
    .batch(2)
  const net = sequential([
    layers.embedding({ inputDim: 20, outputDim: 4 }),
    layers.flatten(),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  net.compile({ optimizer: 'adam', loss: 'binaryCrossentropy' })
  const { history } = await net.fit(batches, { epochs: 2, verbose: 0 })
  assert.is(history['loss']!.length, 2)
})

test('encodings, links, and limits', async () => {
  put('latin/a/one', Uint8Array.of(0x63, 0x61, 0x66, 0xe9))
  const latin = path.join(root, 'latin')
  await rejects('ERR_DATA', /one: its bytes are no text in utf-8/, text.fromFolder(latin).toArray())
  assert.is((await text.fromFolder(latin, { encoding: 'latin1' }).toArray())[0]!.text, 'caf\u00e9')
  const gone = text.fromFolder(latin)
  rmSync(path.join(latin, 'a', 'one'))
  await rejects('ERR_DATA', /one cannot be read/, gone.toArray())
  put('latin/a/one', Uint8Array.of(0x63, 0x61, 0x66, 0xe9))
  await rejects('ERR_DATA', /4 bytes/, text.fromFolder(latin, { maxFileBytes: 3 }).toArray())
  symlinkSync(latin, path.join(latin, 'a', 'around'))
  assert.is(text.fromFolder(latin).size, 1, 'a link to a folder around it is not followed')
})

test('what does not fit is refused', () => {
  throws('ERR_ARGUMENT', /no folder/, () => text.fromFolder(path.join(root, 'none')))
  throws('ERR_ARGUMENT', /has no folder 'eggs'/, () => text.fromFolder(mail, { classNames: ['eggs'] }))
  throws('ERR_ARGUMENT', /classNames has a name twice/, () => text.fromFolder(mail, { classNames: ['ham', 'ham'] }))
  throws('ERR_ARGUMENT', /has no folder of a class/, () => text.fromFolder(path.join(mail, 'spam')))
  throws('ERR_ARGUMENT', /unknown encoding 'utf-9'/, () => text.fromFolder(mail, { encoding: 'utf-9' }))
  throws('ERR_ARGUMENT', /extensions is a list of texts/, () => text.fromFolder(mail, { extensions: [1] as never }))
  throws('ERR_DATA', /'ham' has no files that end in .md/, () => text.fromFolder(mail, { extensions: ['.md'] }))
})

test.run()
