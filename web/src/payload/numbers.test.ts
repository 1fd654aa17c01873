import { expect, it } from 'vitest'

import { extent, KINDS, numbersOf, shownNumber, type Kind } from './numbers'

const layout = (kind: Kind, channels = 1, little = true, skip = 0) => ({ kind, channels, little, skip })

it('reads every kind in both byte orders', () => {
  const view = new DataView(new ArrayBuffer(8))
  const bytes = new Uint8Array(view.buffer)
  const write: Record<Kind, (little: boolean) => void> = {
    int8: () => view.setInt8(0, -5),
    uint8: () => view.setUint8(0, 250),
    int16: (l) => view.setInt16(0, -300, l),
    uint16: (l) => view.setUint16(0, 60_000, l),
    int32: (l) => view.setInt32(0, -70_000, l),
    uint32: (l) => view.setUint32(0, 4e9, l),
    int64: (l) => view.setBigInt64(0, -9_007_199_254_740_993n, l),
    uint64: (l) => view.setBigUint64(0, 18_446_744_073_709_551_615n, l),
    float32: (l) => view.setFloat32(0, 1.5, l),
    float64: (l) => view.setFloat64(0, 0.1, l),
  }
  const expected = [-5, 250, -300, 60_000, -70_000, 4e9, -9_007_199_254_740_993n, 18_446_744_073_709_551_615n, 1.5, 0.1]
  for (const [at, kind] of KINDS.entries()) {
    for (const little of [true, false]) {
      write[kind](little)
      expect(numbersOf(bytes, layout(kind, 1, little)).rows[0]?.[0], kind).toBe(expected[at])
    }
  }
})

it('deals them out to channels and keeps account of the rest', () => {
  const bytes = new Uint8Array([9, 1, 2, 3, 4, 5])
  expect(numbersOf(bytes, layout('uint8', 2, true, 1))).toEqual({ rows: [[1, 2], [3, 4]], rest: 1 })
  expect(numbersOf(bytes, layout('float64'))).toEqual({ rows: [], rest: 6 })
  expect(numbersOf(bytes, layout('int8', 1, true, 99))).toEqual({ rows: [], rest: 0 })
  // Not at the beginning of its buffer.
  expect(numbersOf(bytes.subarray(1), layout('uint16', 1, false)).rows).toEqual([[0x0102], [0x0304]])
})

it('sums a channel up', () => {
  expect(extent([[1, 5], [3, Number.NaN]], 0)).toEqual({ least: 1, most: 3, mean: 2 })
  expect(extent([[1, Number.NaN]], 1)).toBeNull()
})

it('writes what the kind has', () => {
  expect(shownNumber(Math.fround(0.1), 'float32')).toBe('0.1')
  expect(shownNumber(0.1, 'float64')).toBe('0.1')
  expect(shownNumber(123n, 'int64')).toBe('123')
})
