// The audit log: a chain that shows what was changed, who was refused, and whether a line was tampered with.
import { appendFileSync, existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AuditLog, verifyAudit } from '../../lib/serve/audit.js'
import { connect, createApiKey, serve } from '../../lib/serve/index.js'
import { codeOf, codeOfAsync } from '../expect.js'
import { scaling, scratch } from './models.js'

const { folder, remove } = scratch()
test.after(remove)
const at = (name: string): string => path.join(folder, name)
const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean)
const command = (...args: string[]): Promise<{ code: number; text: string }> =>
  new Promise((resolve) => {
    const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')
    execFile(process.execPath, [program, 'audit', ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, text: stdout + stderr }),
    )
  })
const fail = (error: unknown): never => assert.unreachable(String(error)) as never

test('a chain goes on after a restart, and every change of it is found', async () => {
  const file = at('chain.jsonl')
  for (const round of [0, 1, 2]) {
    const log = new AuditLog({ file }, fail)
    for (let i = 0; i < 4; i++) log.record({ event: 'load', actor: `who${round}`, model: `m"${i}\u2028` })
    log.close()
  }
  const whole = await verifyAudit({ file })
  assert.equal([whole.lines, whole.broken], [12, undefined])
  assert.equal(await verifyAudit({ file }, whole.head), whole)
  const lines = linesOf(file)
  const changed: Record<string, [string[], number]> = {
    'a value': [lines.map((line, i) => (i === 4 ? line.replace('who1', 'who2') : line)), 5],
    'a hash': [
      lines.map((line, i) => (i === 6 ? line.replace(/.("\})$/, (_, end: string) => `0${end}`).replace('"hash":"', '"hash":"') : line)),
      7,
    ],
    'taken out': [lines.filter((_, i) => i !== 3), 4],
    'put in': [[...lines.slice(0, 2), lines[1]!, ...lines.slice(2)], 3],
    exchanged: [[...lines.slice(0, 2), lines[3]!, lines[2]!, ...lines.slice(4)], 3],
    'cut at the beginning': [lines.slice(1), 1],
    'no JSON': [lines.map((line, i) => (i === 9 ? 'x' : line)), 10],
  }
  for (const [what, [text, line]] of Object.entries(changed)) {
    if (what === 'a hash' && text[6] === lines[6]) text[6] = lines[6]!.replace(/.("\})$/, '1$1')
    writeFileSync(at('changed.jsonl'), `${text.join('\n')}\n`)
    assert.is((await verifyAudit({ file: at('changed.jsonl') })).broken?.line, line, what)
  }
  writeFileSync(at('changed.jsonl'), `${lines.slice(0, 8).join('\n')}\n`)
  assert.is((await verifyAudit({ file: at('changed.jsonl') })).broken, undefined, 'an end cut off is not seen by the chain')
  assert.ok((await verifyAudit({ file: at('changed.jsonl') }, whole.head)).broken, 'but with the last hash it is')
  assert.equal(await command(file, '--head', whole.head), { code: 0, text: `${file}: 12 lines, whole; the last hash is ${whole.head}\n` })
  writeFileSync(at('changed.jsonl'), `${changed['a value']![0].join('\n')}\n`)
  const { code, text } = await command(at('changed.jsonl'))
  assert.is(code, 1)
  assert.match(text, /line 5 is broken/)
  assert.is((await command()).code, 2)
})

test('a file is closed where the chain breaks off; a folder is named', async () => {
  const file = at('long.jsonl')
  writeFileSync(file, 'no hash here\n'.repeat(50_000))
  assert.is((await verifyAudit({ file })).broken?.line, 1)
  const open = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  assert.not.ok(open.includes(file))
  const { code, text } = await command(folder)
  assert.is(code, 1)
  assert.match(text, /audit: .* cannot be read: it is a folder, a file is expected/)
  assert.not.match(text, /\n {4}at /)
})

test('with a key nobody else can make a chain', async () => {
  const file = at('keyed.jsonl')
  writeFileSync(at('audit.key'), Buffer.alloc(32, 7))
  writeFileSync(at('other.key'), Buffer.alloc(32, 8))
  writeFileSync(at('short.key'), 'short')
  const log = new AuditLog({ file, key: at('audit.key') }, fail)
  log.record({ event: 'start' })
  log.close()
  assert.is((await verifyAudit({ file, key: at('audit.key') })).broken, undefined)
  assert.ok((await verifyAudit({ file, key: at('other.key') })).broken)
  assert.ok((await verifyAudit({ file })).broken)
  for (const key of ['short.key', 'none.key'])
    assert.is(
      codeOf(() => new AuditLog({ file, key: at(key) }, fail)),
      'ERR_ARGUMENT',
      key,
    )
})

test('a line that was torn by a crash is cut off, and that is recorded; other files are not written to', async () => {
  const file = at('torn.jsonl')
  const log = new AuditLog({ file }, fail)
  log.record({ event: 'start' })
  log.close()
  appendFileSync(file, '{"seq":2,"time":"20')
  const again = new AuditLog({ file }, fail)
  again.close()
  assert.equal(await verifyAudit({ file }).then(({ lines, broken }) => [lines, broken]), [2, undefined])
  assert.equal(
    [(JSON.parse(linesOf(file)[1]!) as { event: string; bytes: number }).event, (JSON.parse(linesOf(file)[1]!) as { bytes: number }).bytes],
    ['torn', 19],
  )
  writeFileSync(at('foreign.txt'), 'a letter\n')
  assert.is(
    codeOf(() => new AuditLog({ file: at('foreign.txt') }, fail)),
    'ERR_FORMAT',
  )
  assert.is(
    codeOf(() => new AuditLog({ file: '/proc/none/x' }, fail)),
    'ERR_ARGUMENT',
  )
})

test('the server records changes, refusals and, when asked, inference; what cannot be recorded is not done', async () => {
  await scaling(2).save(path.join(folder, 'models', 'm', '1'))
  const keys = Object.fromEntries((['predict', 'admin'] as const).map((role) => [role, createApiKey({ id: role, roles: [role] })]))
  writeFileSync(at('keys.json'), JSON.stringify({ keys: Object.values(keys).map(({ entry }) => entry) }))
  const file = at('server.jsonl')
  const options = { repository: at('models'), control: 'explicit', auth: { apiKeys: at('keys.json') }, http: { port: 0 } } as const
  const server = await serve({ ...options, audit: { file, inference: true } })
  const url = server.address.http!
  const headers = (role: string) => ({ authorization: `Bearer ${keys[role]!.key}` })
  const admin = await connect(url, { apiKey: keys['admin']!.key })
  const client = await connect(url, { apiKey: keys['predict']!.key })
  await client.infer('m', { inputs: { x: [[1, 2]] } })
  await fetch(`${url}/v2/repository/models/m/unload`, { method: 'POST', headers: headers('predict') })
  await fetch(`${url}/v2/models/m`)
  await admin.unload('m')
  assert.is(await codeOfAsync(admin.load('none')), 'ERR_NOT_FOUND')
  await admin.load('m')
  client.close()
  admin.close()
  await server.close()
  const events = linesOf(file).map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.equal(
    events.map(({ event, actor, model, code }) => [event, actor, model, code].filter((fact) => fact !== undefined).join(' ')),
    [
      'start',
      'infer predict m',
      'refused predict m ERR_FORBIDDEN',
      'refused m ERR_UNAUTHENTICATED',
      'unload admin m',
      'load admin none',
      'load admin none ERR_NOT_FOUND',
      'load admin m',
      'stop',
    ],
  )
  assert.not.match(readFileSync(file, 'utf8'), /weft_/)
  if (existsSync('/dev/full'))
    assert.is(await codeOfAsync(serve({ ...options, audit: { file: '/dev/full' } })), 'ERR_UNAVAILABLE', 'a disk that is full')
  assert.is((await verifyAudit({ file })).broken, undefined)
})

test.run()
