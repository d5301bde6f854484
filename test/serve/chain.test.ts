// Chain: order, leaving from anywhere, and nothing left behind for the collector to follow.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Chain, type Link } from '../../lib/serve/chain.js'
import { generator } from '../expect.js'

test('values stay in the order in which they came, whichever leave: as a Set has it, 5,000 random steps', () => {
  const random = generator(3)
  const chain = new Chain<number>()
  const set = new Set<number>()
  const links = new Map<number, Link<number>>()
  for (let i = 0; i < 5000; i++) {
    const values = [...set]
    if (values.length === 0 || random() < 0.52) {
      links.set(i, chain.add(i))
      set.add(i)
    } else {
      const value = random() < 0.5 ? values[0]! : values[Math.floor(random() * values.length)]!
      assert.ok(chain.remove(links.get(value)!))
      set.delete(value)
      assert.not(chain.remove(links.get(value)!), 'a value leaves once')
    }
    assert.is(chain.size, set.size)
    assert.is(chain.first, set.values().next().value)
    if (i % 50 === 0) assert.equal([...chain], [...set])
  }
  while (chain.size > 0) chain.removeFirst()
  chain.removeFirst()
  assert.equal([...chain], [])
})

test('the value that was given last may leave meanwhile', () => {
  const chain = new Chain<Link<unknown>[]>()
  const boxes = Array.from({ length: 4 }, () => [] as Link<unknown>[])
  for (const box of boxes) box.push(chain.add(box))
  let seen = 0
  for (const box of chain) {
    assert.is(box, boxes[seen++])
    chain.remove(box[0] as Link<Link<unknown>[]>)
  }
  assert.equal([seen, chain.size], [4, 0])
})

test('what has left refers neither to its value nor to its neighbours', () => {
  const chain = new Chain<string>()
  const links = ['a', 'b', 'c'].map((value) => chain.add(value))
  for (const link of [links[1]!, links[0]!, links[2]!]) chain.remove(link)
  for (const link of links) assert.equal([link.previous, link.next, link.value], [undefined, undefined, undefined])
})

test.run()
