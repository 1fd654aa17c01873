import { expect, it } from 'vitest'

import { base64, bytesOf, excerpt, hex, isText, json, written } from './payload'

const bytes = (text: string) => new TextEncoder().encode(text)

it('writes bytes in every form', () => {
  const some = bytes('温度 21')
  expect(written(some, 'text')).toBe('温度 21')
  expect(written(some, 'json')).toBeNull()
  expect(written(bytes('{"a":1}'), 'json')).toBe('{\n  "a": 1\n}')
  expect(hex(bytes('abc'))).toMatch(/^000000 {2}61 62 63 +abc$/)
  expect(base64(new Uint8Array([0, 255]))).toBe('AP8=')
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
  expect(json('[1')).toBeNull()
})
