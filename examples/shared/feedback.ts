// Implicit feedback: who chose what, choices held back to test with, drawn negatives, and recall of ranked items.

/** Pairs of a user and an item that was chosen, by their numbers. */
export interface Choices {
  users: Int32Array
  items: Int32Array
}
export interface Table extends Choices {
  /** How many users there are. */
  count: number
  /** Names of the items. */
  names: string[]
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * The table of the lists that users have, with the items that at least `least` and at most `mostShare` of them chose.
 */
export function tableOf(lists: readonly (readonly string[])[], { least, mostShare }: { least: number; mostShare: number }): Table {
  const chosen = lists.map((list) => new Set(list))
  const counts = new Map<string, number>()
  for (const own of chosen) for (const name of own) counts.set(name, (counts.get(name) ?? 0) + 1)
  const names = [...counts].filter(([, count]) => count >= least && count <= mostShare * lists.length).map(([name]) => name)
  const numbers = new Map(names.map((name, i) => [name, i]))
  const pairs = chosen.flatMap((own, user) => [...own].flatMap((name) => (numbers.has(name) ? [[user, numbers.get(name)!]] : [])))
  return { ...choicesOf(pairs), count: lists.length, names }
}

const choicesOf = (pairs: readonly number[][]): Choices => ({
  users: Int32Array.from(pairs, ([user]) => user!),
  items: Int32Array.from(pairs, ([, item]) => item!),
})

/** Holds back a share of each user's choices. */
export function holdBack({ users, items, count }: Table, share: number, random: () => number): { train: Choices; held: Choices } {
  const own = Array.from({ length: count }, (): number[] => [])
  users.forEach((user, i) => own[user]!.push(items[i]!))
  const [train, held]: number[][][] = [[], []]
  own.forEach((list, user) => {
    const keys = new Map(list.map((item) => [item, random()]))
    const order = [...list].sort((a, b) => keys.get(a)! - keys.get(b)!)
    const cut = Math.round(share * order.length)
    for (const [i, item] of order.entries()) (i < cut ? held : train)!.push([user, item])
  })
  return { train: choicesOf(train!), held: choicesOf(held!) }
}

/** The items that each user chose. */
export function chosenBy({ users, items }: Choices, count: number): Set<number>[] {
  const own = Array.from({ length: count }, () => new Set<number>())
  users.forEach((user, i) => own[user]!.add(items[i]!))
  return own
}

export interface FeedbackBatch {
  user: Int32Array
  item: Int32Array
  /** 1: chosen, 0: drawn. */
  y: Float32Array
}

/**
 * The choices once, in random order, each with so many drawn items that its user did not choose; items are drawn by
 * their popularity, so that a popular one is no better for being popular.
 */
export function* batchesOf(
  choices: Choices,
  count: number,
  negatives: number,
  size: number,
  random: () => number,
): Generator<FeedbackBatch> {
  const { users, items } = choices
  const known = chosenBy(choices, count)
  const order = Int32Array.from(users, (_, i) => i)
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  const per = 1 + negatives
  const inBatch = Math.max(1, Math.floor(size / per))
  for (let begin = 0; begin < order.length; begin += inBatch) {
    const rows = order.subarray(begin, begin + inBatch)
    const [user, item, y] = [new Int32Array(rows.length * per), new Int32Array(rows.length * per), new Float32Array(rows.length * per)]
    rows.forEach((row, r) => {
      const own = users[row]!
      for (let k = 0; k < per; k++) {
        let drawn = items[row]!
        // a choice of anybody, until it is none of this user's
        while (k > 0 && known[own]!.has(drawn)) drawn = items[Math.floor(random() * items.length)]!
        user[r * per + k] = own
        item[r * per + k] = drawn
        y[r * per + k] = k === 0 ? 1 : 0
      }
    })
    yield { user, item, y }
  }
}

/**
 * The mean share of each user's held items that stand among its `k` best by `scores` [users * items], where what is
 * known of it already is left out; at most k can be found (recall@k, divided by the smaller of k and the number held).
 */
export function recallAt(k: number, scores: ArrayLike<number>, known: readonly Set<number>[], held: readonly Set<number>[]): number {
  const width = scores.length / known.length
  let [sum, users] = [0, 0]
  for (const [user, own] of held.entries()) {
    if (own.size === 0) continue
    const open = Array.from({ length: width }, (_, item) => item).filter((item) => !known[user]!.has(item))
    const best = open.sort((a, b) => scores[user * width + b]! - scores[user * width + a]! || a - b).slice(0, k)
    sum += best.filter((item) => own.has(item)).length / Math.min(k, own.size)
    users++
  }
  return sum / users
}
