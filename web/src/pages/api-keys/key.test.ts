import { expect, it } from 'vitest'

import { nameFault, stateOf } from './key'

it('takes the names that the broker takes', () => {
  for (const name of ['a', 'grafana-1', 'A_b']) expect(nameFault(name, ['one']), name).toBeNull()
  for (const name of ['1a', '-a', 'a b', '钥匙', 'a'.repeat(256)]) expect(nameFault(name, ['one']), name).toBe('nameForm')
  expect(nameFault('', [])).toBe('nameMissing')
  expect(nameFault('one', ['one'])).toBe('nameTaken')
})

it('says first that a key has expired', () => {
  expect(stateOf({ enable: true, expired: false })).toBe('on')
  expect(stateOf({ enable: false, expired: false })).toBe('off')
  expect(stateOf({ enable: true, expired: true })).toBe('expired')
})
