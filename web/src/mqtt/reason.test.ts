import { beforeAll, expect, it } from 'vitest'

import { Failure } from '@/api/failure'
import { LANGS, speak } from '@/words'

import { codeTold, refusalOf, refusalTold } from './reason'

beforeAll(() => speak('en'))

it('tells codes as words, and as clients show them', () => {
  expect(codeTold(0x87)).toMatch(/^.+ \(0x87\)$/)
  expect(codeTold(5, 4)).toBe(codeTold(0x87).replace('0x87', 'rc=5'))
  expect(codeTold(0x80, 4)).toContain('0x80')
  expect(codeTold(0x7f)).toBe('0x7f')
})

it('knows what the library means', () => {
  expect(refusalOf(Object.assign(new Error('x'), { code: 0x87 }), 5)).toEqual({ kind: 'code', code: 0x87, version: 5 })
  expect(refusalOf(new Error('connack timeout'), 5)).toEqual({ kind: 'timeout' })
  expect(refusalOf(new Failure(503, 'SERVICE_UNAVAILABLE', ''), 4).kind).toBe('api')
  expect(refusalOf(new Error('odd'), 4)).toEqual({ kind: 'other', text: 'odd' })
})

it('has words for every code of the standard, in every language', async () => {
  const codes = [0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19, ...Array.from({ length: 0xa2 - 0x80 + 1 }, (_, at) => 0x80 + at)]
  for (const lang of LANGS) {
    await speak(lang)
    for (const code of codes) expect(codeTold(code), String(code)).toContain(' (0x')
    for (const kind of ['timeout', 'closed', 'offline', 'silent'] as const) expect(refusalTold({ kind })).not.toBe('')
    expect(refusalTold({ kind: 'ended', code: 0x8e })).toContain('0x8e')
  }
})
