// Counts of n-grams up to an order, in a trie of typed arrays: a node is an n-gram, its suffix the same without the
// first token.

const ROOT = 0

/** An Int32Array that grows. */
class Column {
  values: Int32Array = new Int32Array(1024)

  set(i: number, value: number): void {
    if (i >= this.values.length) {
      const larger = new Int32Array(this.values.length * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[i] = value
  }
}

export class NgramCounts {
  readonly order: number
  /** Nodes; 0 is the empty n-gram. */
  size = 1
  private readonly parentOf = new Column()
  private readonly tokenOf = new Column()
  private readonly suffixOf = new Column()
  private readonly lengthOf = new Column()
  private readonly countOf = new Column()
  /** 1: the n-gram began a text. */
  private readonly beginsOf = new Column()
  /** Hash table of nodes by (parent, token); 0: empty. */
  private table: Int32Array = new Int32Array(4096)

  constructor(order: number) {
    this.order = order
  }

  get parents(): Int32Array {
    return this.parentOf.values
  }
  get lengths(): Int32Array {
    return this.lengthOf.values
  }
  get suffixes(): Int32Array {
    return this.suffixOf.values
  }
  get counts(): Int32Array {
    return this.countOf.values
  }
  get begins(): Int32Array {
    return this.beginsOf.values
  }

  /** Counts every n-gram of one text. */
  add(tokens: ArrayLike<number>): void {
    // nodes of the last 0, 1, ... order - 1 tokens
    let contexts = [ROOT]
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!
      const next = [ROOT]
      let suffix = ROOT
      for (const context of contexts) {
        const node = this.childOrNew(context, token, suffix)
        this.countOf.values[node]!++
        if (next.length < this.order) next.push(node)
        suffix = node
      }
      if (contexts.length === i + 1) this.beginsOf.values[suffix] = 1
      contexts = next
    }
  }

  /** The node of an n-gram followed by a token; -1 when it never was. */
  child(node: number, token: number): number {
    const at = this.find(node, token)
    return this.table[at]! === 0 ? -1 : this.table[at]!
  }

  /** The longest n-gram known, shorter than the order, that ends in the node's followed by the token. */
  advance(node: number, token: number): number {
    for (let context = node; ; context = this.suffixes[context]!) {
      const child = this.child(context, token)
      if (child >= 0 && this.lengths[child]! < this.order) return child
      if (context === ROOT) return ROOT
    }
  }

  private childOrNew(parent: number, token: number, suffix: number): number {
    const at = this.find(parent, token)
    if (this.table[at]! !== 0) return this.table[at]!
    const node = this.size++
    this.table[at] = node
    this.parentOf.set(node, parent)
    this.tokenOf.set(node, token)
    this.suffixOf.set(node, suffix)
    this.lengthOf.set(node, this.lengths[parent]! + 1)
    this.countOf.set(node, 0)
    this.beginsOf.set(node, 0)
    if (this.size * 2 > this.table.length) this.enlarge()
    return node
  }

  /** Where the node of (parent, token) is in the table, or would be. */
  private find(parent: number, token: number): number {
    const mask = this.table.length - 1
    let hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b)
    hash ^= hash >>> 15
    let at = Math.imul(hash, 0x2c1b3c6d) & mask
    for (;;) {
      const node = this.table[at]!
      if (node === 0 || (this.parents[node] === parent && this.tokenOf.values[node] === token)) return at
      at = (at + 1) & mask
    }
  }

  private enlarge(): void {
    this.table = new Int32Array(this.table.length * 2)
    for (let node = 1; node < this.size; node++) this.table[this.find(this.parents[node]!, this.tokenOf.values[node]!)] = node
  }
}
