// Chain: values in the order in which they came, each of which may leave from where it is.
//
// A Set does the same, and costs the collector much where values come and go: V8 makes it a new table now and then,
// and each old one holds the values that were in it and the next table. Once one of them has lived through two short
// rounds of the collector, the short rounds after it find all tables alive, and with them all values that ever were.

export class Link<T> {
  previous: Link<T> | undefined
  next: Link<T> | undefined

  constructor(
    /** Undefined: it has left. */
    public value: T | undefined,
  ) {}
}

export class Chain<T> {
  private head: Link<T> | undefined
  private tail: Link<T> | undefined
  private count = 0

  get size(): number {
    return this.count
  }
  /** The value that has been there longest. */
  get first(): T | undefined {
    return this.head?.value
  }

  add(value: T): Link<T> {
    const link = new Link(value)
    link.previous = this.tail
    if (this.tail === undefined) this.head = link
    else this.tail.next = link
    this.tail = link
    this.count++
    return link
  }

  removeFirst(): void {
    if (this.head !== undefined) this.remove(this.head)
  }

  /** Whether it was there. What has left refers to nothing. */
  remove(link: Link<T>): boolean {
    if (link.value === undefined) return false
    const { previous, next } = link
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    link.previous = link.next = link.value = undefined
    this.count--
    return true
  }

  /** In order. The one that was given last may leave meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let link = this.head; link !== undefined; ) {
      const { next, value } = link
      yield value!
      link = next
    }
  }
}
