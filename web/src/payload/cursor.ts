// A place in bytes that goes forward, for the binary forms.
import { NotThis, Special, type Value } from './value'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class Cursor {
  at = 0
  readonly #view: DataView

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  peek(): number {
    const byte = this.bytes[this.at]
    if (byte === undefined) throw new NotThis('end', this.at)
    return byte
  }

  byte(): number {
    const byte = this.peek()
    this.at += 1
    return byte
  }

  take(n: number): Uint8Array {
    const from = this.at
    if (from + n > this.bytes.length) throw new NotThis('end', from)
    this.at = from + n
    return this.bytes.subarray(from, this.at)
  }

  /** The next bytes for their numbers. */
  view(n: number): DataView {
    const taken = this.take(n)
    return new DataView(this.#view.buffer, taken.byteOffset, n)
  }

  text(n: number): string {
    const from = this.at
    try {
      return utf8.decode(this.take(n))
    } catch (error) {
      throw error instanceof NotThis ? error : new NotThis('unexpected', from)
    }
  }

  end(): void {
    if (this.at < this.bytes.length) throw new NotThis('rest', this.at)
  }
}

/** A whole number, with all of its digits. */
export function integer(n: bigint): Value {
  const number = Number(n)
  return Number.isSafeInteger(number) ? number : new Special(String(n), true)
}

/** A moment, as ISO 8601 writes it; what is beyond all calendars by its number. */
export function time(millis: number): Value {
  const at = new Date(millis)
  return Number.isNaN(at.getTime()) ? new Special(String(millis / 1000), true) : new Special(at.toISOString())
}
