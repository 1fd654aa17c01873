import { expect, it } from 'vitest'

import { decoderOf, inOneLine } from './decoder'

const bytes = (text: string) => new TextEncoder().encode(text)
const GB = new Uint8Array([0xce, 0xc2, 0xb6, 0xc8])

it('reads a payload as it looks', () => {
  expect(inOneLine(bytes('a\n  b'), '', 20)).toBe('a b')
  expect(inOneLine(GB, '', 20)).toBe('温度')
  expect(inOneLine(new Uint8Array([1, 2, 255]), '', 20)).toBe('01 02 ff')
  expect(inOneLine(new Uint8Array(), '', 20)).toBe('')
})

it('reads it as it was told', () => {
  expect(inOneLine(bytes('{"a":\n[1]}'), 'json', 40)).toBe('{ "a": [ 1 ] }')
  expect(inOneLine(bytes('ab'), 'hex', 20)).toBe('61 62')
  expect(inOneLine(bytes('ab'), 'base64', 20)).toBe('YWI=')
  expect(inOneLine(new Uint8Array([0xa1, 0x61, 0x61, 0x01]), 'cbor', 40)).toBe('{ "a": 1 }')
  expect(inOneLine(GB, 'gb18030', 20)).toBe('温度')
  expect(inOneLine(new Uint8Array([1, 0, 2, 0]), 'numbers', 20)).toBe('1 | 2')
  expect(inOneLine(bytes('no json'), 'json', 20)).toBe('no json')
})

it('says that there is more', () => {
  expect(inOneLine(bytes('x'.repeat(99)), '', 10)).toBe(`${'x'.repeat(10)}…`)
  expect(inOneLine(bytes('温'.repeat(99)), '', 10)).toBe(`${'温'.repeat(10)}…`)
})

it('knows a decoder that was kept', () => {
  expect([decoderOf('hex'), decoderOf('other')]).toEqual(['hex', ''])
})
