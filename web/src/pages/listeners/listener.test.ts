import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { faultsOf, isLast, stateOf, tryCommand, type Draft, type Listener } from './listener'

beforeAll(() => speak('en'))

const DRAFT: Draft = { type: 'tcp', name: 'lab', bind: '1884', max: '', origins: '', enable: true, cert: '', key: '', ca: '', demand: false, certificate: null }

function listener(id: string, running: boolean, enable = running): Listener {
  const [type = '', name = ''] = id.split(':')
  const status = { running, max_connections: 'infinity' as const, current_connections: 0 }
  return { id, type, name, enable, bind: '', addresses: [], acceptors: 16, number: 1, status, node_status: [] }
}

it('checks a listener before it is sent', () => {
  expect(Object.values(faultsOf(DRAFT)).every((fault) => fault === undefined)).toBe(true)
  expect(faultsOf({ ...DRAFT, name: 'a b' }).name).toBeDefined()
  expect(faultsOf({ ...DRAFT, bind: '' }).bind).toBeDefined()
  expect(faultsOf({ ...DRAFT, bind: '1884, x:1' }).bind).toContain('x:1')
  expect(faultsOf({ ...DRAFT, max: '0' }).max).toBeDefined()
  expect(faultsOf({ ...DRAFT, max: '10' }).max).toBeUndefined()
  expect(faultsOf({ ...DRAFT, origins: 'x y' }).origins).toBeUndefined()
  expect(faultsOf({ ...DRAFT, type: 'ws', origins: 'x y' }).origins).toBeDefined()
  expect(faultsOf({ ...DRAFT, type: 'wss', origins: 'x y' }).origins).toBeDefined()
})

it('gives the command that trusts the own certificate', () => {
  const ssl = { ...DRAFT, type: 'ssl' as const, bind: '0.0.0.0:8883, [::]:8883' }
  expect(tryCommand(ssl, '192.168.1.5')).toBe('mosquitto_sub -h 192.168.1.5 -p 8883 --cafile ternmq-ca.pem -t test -v')
  expect(tryCommand(ssl, '[fe80::1]')).toContain('-h fe80::1 -p 8883 ')
  expect(tryCommand({ ...DRAFT, type: 'wss', bind: '8084' }, '[fe80::1]')).toBe('ternmq sub -L wss://[fe80::1]:8084/test --cafile ternmq-ca.pem -v')
})

it('tells one that cannot listen from one that is stopped', () => {
  expect(stateOf(listener('tcp:a', true))).toBe('running')
  expect(stateOf(listener('tcp:a', false))).toBe('stopped')
  expect(stateOf(listener('tcp:a', false, true))).toBe('failed')
})

it('knows the last way in', () => {
  const [a, b, ws] = [listener('tcp:a', true), listener('tcp:b', true), listener('ws:c', true)]
  expect(isLast(a, [a, ws])).toBe(true)
  expect(isLast(a, [a, b])).toBe(false)
  expect(isLast(a, [a, listener('tcp:b', false)])).toBe(true)
  expect(isLast(ws, [ws])).toBe(false)
})
