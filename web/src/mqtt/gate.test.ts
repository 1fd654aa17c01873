import { expect, it } from 'vitest'

import { Gate, wholeLength } from './gate'

/** A PUBLISH of so many bytes behind its head, whose bytes are its number. */
function publish(n: number, length: number, qos = 0): Uint8Array {
  const head = [0x30 | (qos << 1)]
  for (let rest = length; ; rest >>= 7) {
    head.push((rest & 0x7f) | (rest > 127 ? 0x80 : 0))
    if (rest <= 127) break
  }
  return Uint8Array.from([...head, ...new Array<number>(length).fill(n)])
}

function joined(parts: readonly Uint8Array[]): number[] {
  return parts.flatMap((part) => [...part])
}

/** A gate that counts. */
function counting(waitingMax?: number): { gate: Gate; skipped: () => number } {
  let n = 0
  return { gate: new Gate(() => (n += 1), waitingMax), skipped: () => n }
}

/** Through the gate in pieces of so many bytes. */
function through(gate: Gate, bytes: readonly number[], piece: number): number[] {
  const out: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += piece) out.push(...gate.take(Uint8Array.from(bytes.slice(at, at + piece))))
  return joined(out)
}

it('lets everything go on while little waits, as it came', () => {
  const piece = publish(1, 300)
  const { gate, skipped } = counting()
  expect(gate.take(piece)[0]).toBe(piece)
  expect(skipped()).toBe(0)
})

it.each([1, 2, 3, 7, 100, 10_000])('lets whole messages go while too much waits, in pieces of %i bytes', (size) => {
  const { gate, skipped } = counting(500)
  const all = [1, 2, 3, 4, 5].map((n) => publish(n, 200))
  const out = through(gate, joined(all), size)
  // The third was begun when no more than 500 waited.
  expect(out).toEqual(joined(all.slice(0, 3)))
  expect(skipped()).toBe(2)
  gate.took(3 * 203)
  expect(through(gate, joined([publish(6, 200)]), size)).toEqual(joined([publish(6, 200)]))
  expect(skipped()).toBe(2)
})

it('keeps what has to be answered, and what is no message', () => {
  const { gate, skipped } = counting(0)
  const suback = Uint8Array.from([0x90, 3, 0, 1, 0])
  const kept = [publish(1, 10), publish(3, 10, 1), suback, publish(5, 10, 2), Uint8Array.from([0xd0, 0])]
  const all = [kept[0], publish(2, 10), kept[1], kept[2], publish(4, 10), kept[3], publish(0, 0), kept[4]]
  const given = all.filter((one) => one !== undefined)
  expect(through(gate, joined(given), 4)).toEqual(joined(kept))
  expect(skipped()).toBe(3)
})

it('knows the length of a packet', () => {
  for (const length of [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) expect(wholeLength(length)).toBe(publish(0, length).length)
})
