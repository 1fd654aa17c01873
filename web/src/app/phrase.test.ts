import { expect, it } from 'vitest'

import { passPhrase, weakness } from './phrase'

it('makes phrases that are passwords and differ', () => {
  expect(passPhrase(new Uint8Array(12))).toBe('bababa-bababa-bababa-bababa')
  expect(passPhrase(new Uint8Array(12).fill(0xff))).toBe('zuzuzu-zuzuzu-zuzuzu-zuzuzu')
  expect(weakness(passPhrase())).toBeNull()
  expect(passPhrase()).not.toBe(passPhrase())
})

it('finds what the broker would refuse', () => {
  expect(weakness('a1')).toBe('length')
  expect(weakness('a1'.repeat(33))).toBe('length')
  expect(weakness('abcdefgh')).toBe('kinds')
  expect(weakness('密码密码密码密码1')).toBe('characters')
  expect(weakness('abcdefg1')).toBeNull()
  expect(weakness('correct horse')).toBeNull()
})
