import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { addressOf, fileFault, linesOf } from './backup'

beforeAll(() => speak('en'))

it('takes files that may be backups', () => {
  expect(fileFault('ternmq-export-2026-01-01-12-34-56.789.export')).toBeNull()
  expect(fileFault('backup.zip')).toBe('wrongFile')
  expect(addressOf({ filename: 'a b#.export' })).toBe('/api/v5/data/files/a%20b%23.export')
})

it('tells what was taken, the most first', () => {
  expect(linesOf({ ban: 1, retained: 1200, of_tomorrow: 3 })).toEqual([
    { kind: 'retained messages', count: '1,200' },
    { kind: 'of_tomorrow', count: '3' },
    { kind: 'bans', count: '1' },
  ])
})
