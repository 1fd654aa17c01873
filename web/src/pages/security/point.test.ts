import { readFileSync } from 'node:fs'

import { beforeAll, expect, it } from 'vitest'

import { maybe, speak } from '@/words'

import { asideOf, ofSeverity, severityOf, told, type Point } from './point'
import { remedyOf } from './remedy'

beforeAll(() => speak('en'))

/** The ids that the broker has, where they are named. */
const IDS = [...readFileSync('../crates/broker/src/security/mod.rs', 'utf8').matchAll(/Self::\w+ => "([a-z_]+)",/g)].flatMap(([, id]) => (id && !['danger', 'warning', 'fine'].includes(id) ? [id] : []))

const point = (id: string, severity: string, facts: Point['facts'] = {}): Point => ({ id, severity, facts, aside: null })

it('has words for every point that the broker looks at', () => {
  expect(IDS.length).toBeGreaterThanOrEqual(16)
  for (const id of IDS) for (const part of ['title', 'weak', 'why', 'fine']) expect(maybe(`security.${id}.${part}`), `${id}.${part}`).toBeDefined()
})

it('says what is so, with what was found', () => {
  expect(told(point('anonymous', 'danger', { public_networks: ['0.0.0.0/0'] })).what).toContain('0.0.0.0/0')
  expect(told(point('anonymous', 'warning', { public_networks: [], gateways: ['172.17.0.1'], gateway_trusted: true })).what).toContain('172.17.0.1')
  expect(told(point('certificate_ends', 'warning', { listener: 'ssl:default', days: 12 })).what).toBe('The certificate of ssl:default expires in 12 days.')
  expect(told(point('certificate_ends', 'danger', { listener: 'ssl:default', days: -1 })).what).toContain('has expired')
  expect(told(point('revocation_list_ends', 'warning', { listener: 'ssl:default', days: 0 })).what).toContain('has expired')
  expect(told(point('public_address', 'warning', { listeners: [], strangers: ['203.0.113.9'] })).what).toContain('203.0.113.9')
  expect(told(point('rules', 'fine', { rules: 3, no_match: 'deny' }))).toMatchObject({ what: 'There are 3 access rules; where none is about it: deny.', why: '' })
})

it('names who reads everything, with users, and counts the others', () => {
  const facts = { anonymous_may: true, count: 23, clients: ['fx', 'log'], users: ['', 'bob'], anonymous_count: 1, anonymous: ['fx'] }
  const weak = told(point('readers', 'warning', facts)).what
  expect(weak).toContain('(#): fx. ')
  expect(weak).toContain('fx, log (bob) and 21 more')
  expect(told(point('readers', 'fine', { ...facts, count: 0, clients: [], anonymous: [] })).what).toBe('No client is subscribed to everything (#). Clients without a name may do that.')
})

it('tells a backup that is old from none', () => {
  expect(told(point('backup_age', 'warning', { has_data: true, made: true, days: 40 })).what).toContain('40 days')
  expect(told(point('backup_age', 'warning', { has_data: true, made: false, days: 0 })).what).toContain('no backup')
  expect(told(point('backup_age', 'fine', { has_data: false, made: false, days: 0 })).what).toContain('nothing yet')
})

it('does not count what was put aside', () => {
  const aside = { ...point('rules', 'warning'), aside: { until: '2027-01-01T00:00:00.000Z', by: 'admin' } }
  const all = [aside, point('unencrypted', 'warning')]
  expect(ofSeverity(all, 'warning').map((one) => one.id)).toEqual(['unencrypted'])
  expect(asideOf(all)).toEqual([aside])
})

it('says what to do where no button does it', () => {
  expect(remedyOf(point('runs_as_root', 'warning', { root: true }), true)).toEqual({ kind: 'say', what: 'security.remedy.user' })
})

it('shows what it does not know, as something to look at', () => {
  const odd = point('of_tomorrow', 'odd', { why: 'x' })
  expect(severityOf(odd)).toBe('warning')
  expect(told(odd)).toMatchObject({ title: 'of_tomorrow' })
  expect(told(odd).what).toContain('"why":"x"')
  expect(ofSeverity([odd, point('rules', 'fine')], 'warning')).toEqual([odd])
})

it('shuts nobody out before somebody has a password', () => {
  const open = point('anonymous', 'warning', { public_networks: [] })
  expect(remedyOf(open, false)).toMatchObject({ kind: 'go', to: { path: '/mqtt-users' } })
  expect(remedyOf(open, true)).toMatchObject({ kind: 'ask', names: true })
  expect(remedyOf(point('anonymous', 'danger', { public_networks: ['0.0.0.0/0'] }), false)).toMatchObject({ kind: 'ask', title: 'security.remedy.onlyNear' })
})

it('has something to do about whatever is weak, and nothing about what is fine', () => {
  for (const id of IDS) expect(remedyOf(point(id, 'danger'), true), id).not.toBeNull()
  for (const id of IDS) expect(remedyOf(point(id, 'fine'), true), id).toBeNull()
})

it('writes commands that run whatever a file is called', () => {
  expect(remedyOf(point('readable_secrets', 'danger', { files: ['/etc/a key', '/b'] }), true)).toEqual({ kind: 'run', command: "chmod o-rwx '/etc/a key' /b" })
})
