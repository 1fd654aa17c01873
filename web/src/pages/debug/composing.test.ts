import { expect, it } from 'vitest'

import { FRESH_DRAFT } from '@/mqtt/draft'

import { useHistory } from './composing'

const draft = (text: string) => ({ ...FRESH_DRAFT, text })

it('goes back through what was published, and forth to what was being typed', () => {
  const history = useHistory()
  expect(history.step(-1, draft('x'))).toBeNull()
  for (const text of ['a', 'b', 'b']) history.add(draft(text))
  expect(history.step(-1, draft('typing'))?.text).toBe('b')
  expect(history.step(-1, draft('b'))?.text).toBe('a')
  expect(history.step(-1, draft('a'))).toBeNull()
  expect(history.step(1, draft('a'))?.text).toBe('b')
  expect(history.step(1, draft('b'))?.text).toBe('typing')
  expect(history.step(1, draft('typing'))).toBeNull()
})

it('keeps a bounded number', () => {
  const history = useHistory()
  for (let n = 0; n < 60; n += 1) history.add(draft(String(n)))
  let last = draft('')
  for (let found = history.step(-1, last); found; found = history.step(-1, last)) last = found
  expect(last.text).toBe('10')
})
