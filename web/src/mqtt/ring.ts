// The last messages of a connection, a bounded number of them; the others are counted, not hidden.
export class Ring<T> {
  readonly #slots: (T | undefined)[]
  #next = 0
  #added = 0

  constructor(readonly size: number) {
    this.#slots = new Array<T | undefined>(size)
  }

  push(one: T): void {
    this.#slots[this.#next] = one
    this.#next = (this.#next + 1) % this.size
    this.#added += 1
  }

  /** Oldest first. */
  toArray(): T[] {
    const all = this.#added < this.size ? this.#slots.slice(0, this.#next) : [...this.#slots.slice(this.#next), ...this.#slots.slice(0, this.#next)]
    return all as T[]
  }

  /** How many are not there any more. */
  get skipped(): number {
    return Math.max(0, this.#added - this.size)
  }

  get added(): number {
    return this.#added
  }

  clear(): void {
    this.#slots.fill(undefined)
    this.#next = 0
    this.#added = 0
  }
}
