// The last messages of a connection, bounded in number and in bytes; the others are counted, not hidden.
export class Ring<T> {
  readonly #slots: (T | undefined)[]
  #first = 0
  #count = 0
  #weight = 0
  #skipped = 0

  constructor(
    readonly size: number,
    readonly weigh: (one: T) => number = () => 0,
    readonly weightMax = Number.POSITIVE_INFINITY,
  ) {
    this.#slots = new Array<T | undefined>(size)
  }

  /** The newest always stays, however much it weighs. */
  push(one: T): void {
    const weight = this.weigh(one)
    while (this.#count > 0 && (this.#count === this.size || this.#weight + weight > this.weightMax)) this.#drop()
    this.#slots[(this.#first + this.#count) % this.size] = one
    this.#count += 1
    this.#weight += weight
  }

  #drop(): void {
    this.#weight -= this.weigh(this.#slots[this.#first] as T)
    this.#slots[this.#first] = undefined
    this.#first = (this.#first + 1) % this.size
    this.#count -= 1
    this.#skipped += 1
  }

  /** Oldest first. */
  toArray(): T[] {
    const end = this.#first + this.#count
    const all = end <= this.size ? this.#slots.slice(this.#first, end) : [...this.#slots.slice(this.#first), ...this.#slots.slice(0, end - this.size)]
    return all as T[]
  }

  /** How many had to make room. */
  get skipped(): number {
    return this.#skipped
  }

  clear(): void {
    this.#slots.fill(undefined)
    this.#first = 0
    this.#count = 0
    this.#weight = 0
    this.#skipped = 0
  }
}
