import { expect, it } from 'vitest'

import { inOneLine } from '@/mqtt/decoder'

import { likelyForm } from './forms'
import { numbersOf } from './numbers'
import { batchOf } from './samples'

// What the Python package makes of [[1, -2, 3], [4, -5, 32767]] as int16; its own test has the same batch.
const SENT =
  '89544d530102030000002040fc54d9410000000000406f400700000000000000' +
  '0100feff03000400fbffff7f'

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (two) => Number.parseInt(two, 16))

/** The batch with other bytes from a place on. */
function changed(at: number, ...to: number[]): Uint8Array {
  const other = bytes(SENT)
  other.set(to, at)
  return other
}

it('knows a batch of samples by its header', () => {
  const batch = batchOf(bytes(SENT))
  expect(batch).toEqual({
    layout: { kind: 'int16', little: true, channels: 3, skip: 32 },
    start: 1_700_000_000_500,
    rate: 250,
    before: 7n,
  })
  expect(batch && numbersOf(bytes(SENT), batch.layout)).toEqual({ rows: [[1, -2, 3], [4, -5, 32_767]], rest: 0 })
  expect(likelyForm(bytes(SENT))).toBe('numbers')
  expect(inOneLine(bytes(SENT), '', 80)).toBe('1 -2 3 | 4 -5 32767')
})

it('leaves what was not told open', () => {
  const nan = [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]
  expect(batchOf(changed(8, ...nan, ...nan))).toMatchObject({ start: null, rate: null })
})

it('takes nothing else for one', () => {
  const others = [changed(3, 0x54), changed(4, 2), changed(5, 10), changed(6, 0, 0), changed(6, 65, 0), bytes(SENT).subarray(0, 31)]
  for (const other of others) expect(batchOf(other)).toBeNull()
  expect(likelyForm(changed(4, 2))).not.toBe('numbers')
})
