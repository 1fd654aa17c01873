import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { deniedOf, eventWord, type Entry } from './entry'

beforeAll(() => speak('en'))

const DENIED = { event: 'denied', cause: 'subscribe_denied', topic: 's', rule: 'no rule is about it (no_match)', username: null, clientid: 'c' } as Entry

it('knows what was denied', () => {
  expect(deniedOf(DENIED)).toEqual({ action: 'subscribe', topic: 's', rule: DENIED.rule, username: null, clientid: 'c' })
  expect(deniedOf({ ...DENIED, cause: 'publish_denied' } as Entry)?.action).toBe('publish')
  expect(deniedOf({ ...DENIED, cause: 'subscription_revoked' } as Entry)?.action).toBe('subscribe')
  expect(deniedOf({ ...DENIED, cause: 'will_denied' } as Entry)).toBeNull()
  expect(deniedOf({ ...DENIED, event: 'refused' })).toBeNull()
  expect(deniedOf({ ...DENIED, rule: null })).toBeNull()
})

it('has a word for each event, and shows what it does not know', () => {
  expect(eventWord({ event: 'denied' })).toBe('denied')
  expect(eventWord({ event: 'of tomorrow' })).toBe('of tomorrow')
})
