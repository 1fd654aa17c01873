import { expect, it } from 'vitest'

import { CHOSEN, EVER, localTime, untilFault, untilFrom, untilTime } from './until'

const NOW = Date.parse('2026-03-01T08:00:00Z')

it('becomes a time of the API', () => {
  expect(untilTime({ span: EVER, at: '' }, NOW)).toBe('infinity')
  expect(untilTime({ span: '3600', at: '' }, NOW)).toBe('2026-03-01T09:00:00.000Z')
  const later = NOW + 86_400_000
  expect(Date.parse(untilTime({ span: CHOSEN, at: localTime(later) }, NOW))).toBe(later)
})

it('is looked at before it is sent', () => {
  expect(untilFault({ span: '60', at: '' }, NOW)).toBeNull()
  expect(untilFault({ span: CHOSEN, at: '' }, NOW)).toBe('empty')
  expect(untilFault({ span: CHOSEN, at: localTime(NOW - 60_000) }, NOW)).toBe('past')
  expect(untilFault({ span: CHOSEN, at: localTime(NOW + 120_000) }, NOW)).toBeNull()
})

it('is read back', () => {
  expect(untilFrom('infinity')).toEqual({ span: EVER, at: '' })
  expect(untilTime(untilFrom('2026-03-05T10:30:00Z'), NOW)).toBe('2026-03-05T10:30:00.000Z')
})
