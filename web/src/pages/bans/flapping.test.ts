import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { flappingFaults, flappingTold } from './flapping'

beforeAll(() => speak('en'))

const USUAL = { enable: true, count: '15', window: '1m', ban: '5m' }

it('tells what the broker does by itself', () => {
  expect(flappingTold(USUAL)).toContain('15 times in 1 min')
  expect(flappingTold(USUAL)).toContain('5 min')
  expect(flappingTold({ ...USUAL, enable: false })).not.toContain('15')
})

it('checks numbers and times before they are sent', () => {
  expect(flappingFaults(USUAL)).toEqual({ count: undefined, window: undefined, ban: undefined })
  for (const count of ['1', '', '2.5', 'many']) expect(flappingFaults({ ...USUAL, count }).count, count).toBeDefined()
  for (const window of ['2h', '0s', '60', '']) expect(flappingFaults({ ...USUAL, window }).window, window).toBeDefined()
  expect(flappingFaults({ ...USUAL, ban: 'for good' }).ban).toBeDefined()
})
