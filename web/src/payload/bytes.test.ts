import { expect, it } from 'vitest'

import { base64, bytesOf, hex, ofBase64, plainHex } from './bytes'
import { decoded, excerpt, isText, likelyCharset, untorn } from './text'

const bytes = (text: string) => new TextEncoder().encode(text)

it('writes bytes', () => {
  expect(hex(bytes('abc'))).toMatch(/^000000 {2}61 62 63 +abc$/)
  expect(hex(new Uint8Array(17)).split('\n')[1]).toMatch(/^000010 {2}00 /)
  expect(plainHex(new Uint8Array([0, 255]))).toBe('00ff')
  expect(base64(new Uint8Array([0, 255]))).toBe('AP8=')
  const large = new Uint8Array(100_000).fill(7)
  expect(ofBase64(base64(large))).toEqual(large)
})

it('reads them back', () => {
  expect(bytesOf('61 62\n63', 'hex')).toEqual(bytes('abc'))
  expect(bytesOf('AP8=', 'base64')).toEqual(new Uint8Array([0, 255]))
  expect(bytesOf('温', 'text')).toEqual(bytes('温'))
  for (const bad of ['6', 'xx']) expect(bytesOf(bad, 'hex'), bad).toBeNull()
  expect(bytesOf('*', 'base64')).toBeNull()
})

it('tells text from other bytes, and excerpts', () => {
  expect(isText(bytes('文字'))).toBe(true)
  expect(isText(new Uint8Array([0xff, 0xfe]))).toBe(false)
  expect(excerpt(bytes('a\nb'), 10)).toBe('a b')
  expect(excerpt(bytes('x'.repeat(500)), 10)).toBe('xxxxxxxxxx…')
  expect(excerpt(bytes('温'.repeat(50)), 10)).toBe(`${'温'.repeat(10)}…`)
  expect(excerpt(new Uint8Array([0xce, 0xc2, 0xb6, 0xc8]), 10)).toBe('温度')
  expect(excerpt(new Uint8Array([0xa2, 1, 0xff]), 30)).toBe('a2 01 ff')
  expect(excerpt(new Uint8Array(99).fill(255), 30)).toBe('ff ff ff ff ff ff ff ff ff ff…')
})

it('knows the two charsets', () => {
  const gb = new Uint8Array([0xce, 0xc2, 0xb6, 0xc8])
  expect(likelyCharset(bytes('温度'))).toBe('utf-8')
  expect(likelyCharset(gb)).toBe('gb18030')
  expect(decoded(gb, 'gb18030')).toBe('温度')
  expect(likelyCharset(new Uint8Array([1, 2, 255]))).toBeNull()
  expect(likelyCharset(new Uint8Array(16).fill(7))).toBeNull()
})

it('does not tear a character', () => {
  const text = bytes('温度')
  expect(untorn(text.subarray(0, 5), 'utf-8').length).toBe(3)
  expect(untorn(text, 'utf-8').length).toBe(6)
  expect(untorn(new Uint8Array(9).fill(255), 'utf-8').length).toBe(9)
})
