import { expect, it } from 'vitest'

import { readCbor } from './cbor'
import { likelyForm } from './forms'
import { readJson } from './json'
import { readMsgpack } from './msgpack'
import { asNumber, Branch, Special, written, type Read, type Value } from './value'

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const text = (of: string) => new TextEncoder().encode(of)
const value = (read: Read): Value => {
  if ('fault' in read) throw read.fault
  return read.value
}
const fault = (read: Read) => ('fault' in read ? [read.fault.why, read.fault.at] : 'none')
const plain = (read: Read): unknown => JSON.parse(written(value(read)))

it('reads JSON as JSON.parse does', () => {
  for (const json of ['{"a":[1,-2.5,true,null,"x\\n\\"\\u4e2d"],"b":{}}', ' [ ] ', '"温度"', '0', '1e3', '[[[]]]', '"\\\\"', '{"a\\"b":"\\\\"}']) {
    expect(plain(readJson(json)), json).toEqual(JSON.parse(json))
  }
})

it('rounds no number of it and loses no equal key', () => {
  expect(written(value(readJson('[12345678901234567890,1.0,0.1]')))).toBe('[\n  12345678901234567890,\n  1.0,\n  0.1\n]')
  expect(written(value(readJson('{"a":1,"a":2}')))).toBe('{\n  "a": 1,\n  "a": 2\n}')
})

it('says where JSON is none', () => {
  expect(fault(readJson('{"a":1'))).toEqual(['end', 6])
  expect(fault(readJson('{"a" 1}'))).toEqual(['unexpected', 5])
  expect(fault(readJson('{a:1}'))).toEqual(['unexpected', 1])
  expect(fault(readJson('[1] x'))).toEqual(['rest', 4])
  expect(fault(readJson('["a\nb"]'))).toEqual(['unexpected', 1])
  expect(fault(readJson('[01]'))).toEqual(['unexpected', 2])
  expect(fault(readJson(''))).toEqual(['end', 0])
  expect(fault(readJson('['.repeat(100_000)))).toEqual(['deep', 257])
})

it('reads the examples of RFC 8949', () => {
  const table: [string, string][] = [
    ['00', '0'],
    ['1818', '24'],
    ['1903e8', '1000'],
    ['1b000000e8d4a51000', '1000000000000'],
    ['1bffffffffffffffff', '18446744073709551615'],
    ['c249010000000000000000', '18446744073709551616'],
    ['3bffffffffffffffff', '-18446744073709551616'],
    ['3903e7', '-1000'],
    ['f93c00', '1'],
    ['f97bff', '65504'],
    ['f90001', '5.960464477539063e-8'],
    ['fb3ff199999999999a', '1.1'],
    ['fa47c35000', '100000'],
    ['f97c00', 'Infinity'],
    ['f97e00', 'NaN'],
    ['f4', 'false'],
    ['f6', 'null'],
    ['f7', 'undefined'],
    ['f8ff', 'simple(255)'],
    ['c074323031332d30332d32315432303a30343a30305a', '"2013-03-21T20:04:00Z"'],
    ['c11a514b67b0', '2013-03-21T20:04:00.000Z'],
    ['d74401020304', "23(h'01020304')"],
    ['62c3bc', '"ü"'],
    ['80', '[]'],
    ['9fff', '[]'],
    ['a0', '{}'],
    ['7f657374726561646d696e67ff', '"streaming"'],
    ['5f42010243030405ff', "h'0102' h'030405'"],
    ['d9d9f701', '1'],
  ]
  for (const [hex, expected] of table) expect(written(value(readCbor(bytes(hex)))), hex).toBe(expected)
  expect(plain(readCbor(bytes('a26161016162820203')))).toEqual({ a: 1, b: [2, 3] })
  expect(plain(readCbor(bytes('bf61610161629f0203ffff')))).toEqual({ a: 1, b: [2, 3] })
  expect(plain(readCbor(bytes('a201020304')))).toEqual({ 1: 2, 3: 4 })
})

it('reads all of MessagePack', () => {
  const table: [string, string][] = [
    ['7f', '127'],
    ['e0', '-32'],
    ['ccff', '255'],
    ['cd0100', '256'],
    ['ce00010000', '65536'],
    ['cfffffffffffffffff', '18446744073709551615'],
    ['d0ff', '-1'],
    ['d1ff00', '-256'],
    ['d2ffff0000', '-65536'],
    ['d38000000000000000', '-9223372036854775808'],
    ['ca3fc00000', '1.5'],
    ['cb3ff199999999999a', '1.1'],
    ['c0', 'null'],
    ['c2', 'false'],
    ['c3', 'true'],
    ['a3616263', '"abc"'],
    ['d903616263', '"abc"'],
    ['c4020102', "h'0102'"],
    ['dc000101', '[\n  1\n]'],
    ['d6ff514b67b0', '2013-03-21T20:04:00.000Z'],
    ['d7ff77359400514b67b0', '2013-03-21T20:04:00.500Z'],
    ['c70cff1dcd650000000000514b67b0', '2013-03-21T20:04:00.500Z'],
    ['d40102', "ext(1, h'02')"],
  ]
  for (const [hex, expected] of table) expect(written(value(readMsgpack(bytes(hex)))), hex).toBe(expected)
  expect(plain(readMsgpack(bytes('82a16101a162920203')))).toEqual({ a: 1, b: [2, 3] })
  expect(plain(readMsgpack(bytes('de0001a16101')))).toEqual({ a: 1 })
})

it('says where bytes end, or go on', () => {
  expect(fault(readCbor(bytes('8301')))).toEqual(['end', 2])
  expect(fault(readCbor(bytes('9bffffffffffffffff')))).toEqual(['end', 0])
  expect(fault(readCbor(bytes('0000')))).toEqual(['rest', 1])
  expect(fault(readCbor(bytes('1c')))).toEqual(['unexpected', 0])
  expect(fault(readMsgpack(bytes('92')))).toEqual(['end', 1])
  expect(fault(readMsgpack(bytes('c1')))).toEqual(['unexpected', 0])
  expect(fault(readMsgpack(bytes('91'.repeat(1000))))).toEqual(['deep', 257])
  expect(fault(readMsgpack(bytes('a2ff41')))).toEqual(['unexpected', 1])
})

it('guesses what was meant', () => {
  expect(likelyForm(text('{"a":1}'))).toBe('json')
  expect(likelyForm(text('21.5'))).toBe('text')
  expect(likelyForm(text('{no json'))).toBe('text')
  expect(likelyForm(new Uint8Array())).toBe('text')
  expect(likelyForm(bytes('a1616101ff'.slice(0, 8)))).toBe('cbor')
  expect(likelyForm(bytes('81a16101'))).toBe('msgpack')
  expect(likelyForm(bytes('00ff80a0c3'))).toBe('hex')
  // 温度 in GB18030.
  expect(likelyForm(bytes('cec2b6c8'))).toBe('text')
})

it('takes for a number what a chart can show', () => {
  expect(asNumber(1.5)).toBe(1.5)
  expect(asNumber(true)).toBe(1)
  expect(asNumber(new Special('1e3', true))).toBe(1000)
  for (const other of ['1', null, new Special('NaN'), new Branch(null, [])]) expect(asNumber(other)).toBeNull()
})

it('opens a megabyte of JSON in time', () => {
  const rows = Array.from({ length: 14_000 }, (_, n) => ({ id: n, name: `sensor ${n}`, value: n / 7, on: true }))
  const large = JSON.stringify(rows)
  expect(large.length).toBeGreaterThan(900_000)
  const from = performance.now()
  expect(value(readJson(large))).toBeInstanceOf(Branch)
  expect(performance.now() - from).toBeLessThan(1000)
})
