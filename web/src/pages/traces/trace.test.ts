import { expect, it } from 'vitest'

import { lines, parse } from './event'
import { freshName, nameFault, targetFault } from './trace'

it('checks a trace before it begins', () => {
  expect(nameFault(freshName(new Date(2026, 0, 2, 3, 4, 5)))).toBeNull()
  expect(freshName(new Date(2026, 0, 2, 3, 4, 5))).toBe('trace-0102-030405')
  expect(nameFault('')).toBe('nameMissing')
  expect(nameFault('a b')).toBe('nameForm')
  expect(targetFault('clientid', '')).toBe('traces.targetMissing')
  expect(targetFault('clientid', 'any thing')).toBeNull()
  expect(targetFault('topic', 'a/#/b')).toBe('filter.hash')
  expect(targetFault('topic', 'a/#')).toBeNull()
  expect(targetFault('ip_address', '10.0.0')).toBe('bans.noAddress')
})

it('reads lines of text', () => {
  expect(parse('1795633594267 [sensor_01@127.0.0.1:49108] IN PUBLISH topic=lab/temp qos=1 payload(1)=x', 3)).toEqual({
    line: 3,
    at: 1795633594267,
    client: 'sensor_01',
    peer: '127.0.0.1:49108',
    direction: 'in',
    packet: 'PUBLISH',
    rest: 'topic=lab/temp qos=1 payload(1)=x',
  })
  expect(parse('1 [a]b@c@[::1]:5] OUT PINGRESP', 0)).toMatchObject({ client: 'a]b@c', peer: '[::1]:5', direction: 'out', packet: 'PINGRESP', rest: '' })
  expect(parse('1 [@] MISSED events=4: more', 0)).toMatchObject({ client: '', peer: '', direction: 'none', packet: 'MISSED' })
  expect(parse('# trace 1 start=1', 0)).toBeNull()
  expect(parse('# the trace is full and ends here', 0)).toMatchObject({ at: 0, packet: '#', rest: 'the trace is full and ends here' })
})

it('reads lines of JSON', () => {
  const line = '{"at":7,"clientid":"a@b","peer":"127.0.0.1:9","event":"IN PUBLISH topic=t","payload_size":2,"payload":"hi"}'
  expect(parse(line, 0)).toMatchObject({ at: 7, client: 'a@b', peer: '127.0.0.1:9', direction: 'in', rest: 'topic=t payload(2)=hi' })
  expect(parse('{broken', 0)).toMatchObject({ at: 0, packet: '{broken' })
})

it('keeps a line until it is whole', () => {
  expect(lines('a\nb\nhal')).toEqual({ whole: ['a', 'b'], part: 'hal' })
  expect(lines('hal')).toEqual({ whole: [], part: 'hal' })
  expect(lines('a\n')).toEqual({ whole: ['a'], part: '' })
})
