// JSON, with all digits of its numbers and its equal keys, and the place where it is none.
import { attempt, Branch, DEPTH_MAX, NotThis, Special, written, type Read, type Value } from './value'

export function readJson(text: string): Read {
  return attempt(() => {
    const reader = new Reader(text)
    const value = reader.value(0)
    reader.end()
    return value
  })
}

/** Indented, or `null` if it is no JSON. */
export function pretty(text: string): string | null {
  const read = readJson(text)
  return 'value' in read ? written(read.value) : null
}

const SPACE = /[ \t\r\n]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const CONTROL = /[\u0000-\u001f]/
const WORDS: readonly [string, boolean | null][] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

class Reader {
  #at = 0

  constructor(readonly text: string) {}

  value(depth: number): Value {
    if (depth > DEPTH_MAX) throw new NotThis('deep', this.#at)
    this.#space()
    switch (this.text[this.#at]) {
      case '{':
        return this.#map(depth)
      case '[':
        return this.#list(depth)
      case '"':
        return this.#string()
      case undefined:
        throw new NotThis('end', this.#at)
      default:
        return this.#word()
    }
  }

  end(): void {
    this.#space()
    if (this.#at < this.text.length) throw new NotThis('rest', this.#at)
  }

  #space(): void {
    SPACE.lastIndex = this.#at
    SPACE.test(this.text)
    this.#at = SPACE.lastIndex
  }

  /** Takes a character if it comes next. */
  #took(character: string): boolean {
    this.#space()
    if (this.text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #expect(character: string): void {
    if (this.#took(character)) return
    throw new NotThis(this.#at >= this.text.length ? 'end' : 'unexpected', this.#at)
  }

  #map(depth: number): Value {
    this.#at += 1
    const keys: string[] = []
    const values: Value[] = []
    if (this.#took('}')) return new Branch(keys, values)
    do {
      this.#space()
      if (this.text[this.#at] !== '"') this.#expect('"')
      keys.push(this.#string())
      this.#expect(':')
      values.push(this.value(depth + 1))
    } while (this.#took(','))
    this.#expect('}')
    return new Branch(keys, values)
  }

  #list(depth: number): Value {
    this.#at += 1
    const values: Value[] = []
    if (this.#took(']')) return new Branch(null, values)
    do values.push(this.value(depth + 1))
    while (this.#took(','))
    this.#expect(']')
    return new Branch(null, values)
  }

  #string(): string {
    const from = this.#at
    let end = from
    do {
      end = this.text.indexOf('"', end + 1)
      if (end < 0) throw new NotThis('end', this.text.length)
    } while (this.#isEscaped(from, end))
    const inside = this.text.slice(from + 1, end)
    this.#at = end + 1
    if (!inside.includes('\\') && !CONTROL.test(inside)) return inside
    try {
      return JSON.parse(this.text.slice(from, end + 1)) as string
    } catch {
      throw new NotThis('unexpected', from)
    }
  }

  /** An odd number of backslashes stands before it. */
  #isEscaped(from: number, quote: number): boolean {
    let back = quote
    while (back - 1 > from && this.text[back - 1] === '\\') back -= 1
    return (quote - back) % 2 === 1
  }

  #word(): Value {
    NUMBER.lastIndex = this.#at
    const found = NUMBER.exec(this.text)?.[0]
    if (found !== undefined) {
      this.#at += found.length
      const number = Number(found)
      return String(number) === found ? number : new Special(found, true)
    }
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    throw new NotThis('unexpected', this.#at)
  }
}
