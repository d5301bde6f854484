// Searches and evaluations that are spread over ranks find what one process finds, on every rank.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'
import { alone, FAMILIES, GOES_ON, launch, sameBits } from './launch.js'

const [open, mpich] = FAMILIES as [(typeof FAMILIES)[number], (typeof FAMILIES)[number]]

for (const [{ name: family, command, found, package: brought }, ranks] of [
  [open, 3],
  [mpich, 2],
] as const)
  testWith(found, brought, `${family}: trials over ${ranks} ranks`, async () => {
    const expected = alone('searches')
    const { said, code, output } = await launch(command, ranks, 'searches')
    assert.is(code, 0, output)
    assert.is(said.length, ranks, output)
    sameBits(said, ['aborted', 'warnings'])
    for (const [name, value] of Object.entries(expected))
      if (!['rank', 'size', 'warnings'].includes(name)) assert.equal(said[0]![name], value, name)
    assert.match(expected['raised'] as string, /no units/)
    assert.is(expected['warnings'], 1)
    assert.equal(
      said.map((one) => one['warnings']),
      said.map(({ rank }) => (rank === 0 ? 1 : 0)),
    )
    for (const { rank, aborted } of said as unknown as { rank: number; aborted: string }[])
      assert.match(aborted, rank === 1 ? /AbortError/ : /ERR_DISTRIBUTED crossValScore: it has failed on rank 1: .*aborted/)
    assert.match(said[0]!['rows'] as string, /ERR_DISTRIBUTED gridSearch.fit: rows is 60 on rank 0 and 50 on rank 1/)
    assert.match(said[0]!['order'] as string, /ERR_DISTRIBUTED gridSearch.fit: the hash of x is "\w+" on rank 0 and "\w+" on rank 1/)
    assert.match(said[0]!['targets'] as string, /ERR_DISTRIBUTED crossValPredict: the hash of y is/)
    assert.equal(expected['signs of zeros'], [true, true, true])
    assert.match(said[0]!['candidates'] as string, /candidates is \[{"C":1},{"C":2}\] on rank 0 and \[{"C":1},{"C":3}\] on rank 1/)
    assert.match(said[0]!['estimators'] as string, /ERR_ARGUMENT/)
  })

testWith(open.found, open.package, 'a rank that dies in a search ends it on the others', async () => {
  const { said, output } = await launch(open.command, 3, 'searches', ['killed'], GOES_ON)
  assert.is(said.length, 2, output)
  for (const one of said) assert.match(one['killed'] as string, /ERR_DISTRIBUTED .*rank 2/)
})

test.run()
