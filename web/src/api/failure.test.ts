import { beforeAll, expect, it } from 'vitest'

import { LANGS, speak } from '@/words'

import { Failure, tell } from './failure'

beforeAll(() => speak('en'))

it('says cause and remedy of what it knows', () => {
  const told = tell(new Failure(429, 'TOO_MANY_ATTEMPTS', 'too many', 7))
  expect(told.remedy).toContain('7 s')
  expect(told.detail).toBe('')
})

it('shows what the broker said where that says more', () => {
  expect(tell(new Failure(400, 'INVALID_PARAMETER', 'page_limit_invalid')).detail).toBe('page_limit_invalid')
  const other = tell(new Failure(418, 'TEAPOT', 'short and stout'))
  expect(other.cause).toContain('TEAPOT')
  expect(other.detail).toBe('short and stout')
  expect(tell(new TypeError('x is undefined')).detail).toContain('x is undefined')
})

it('has words for each of them in every language', async () => {
  for (const lang of LANGS) {
    await speak(lang)
    for (const code of ['UNREACHABLE', 'BAD_USERNAME_OR_PWD', 'ADDRESS_NOT_ALLOWED', 'UNAUTHORIZED_ROLE', 'NONE_SUCH']) {
      const told = tell(new Failure(400, code, 'm'))
      expect(told.cause).not.toBe('')
      expect(told.remedy).not.toBe('')
    }
  }
})
