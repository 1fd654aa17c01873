import { expect, it } from 'vitest'

import { isLast, stateOf, type Listener } from './listener'

function listener(id: string, running: boolean, enable = running): Listener {
  const [type = '', name = ''] = id.split(':')
  const status = { running, max_connections: 'infinity' as const, current_connections: 0 }
  return { id, type, name, enable, bind: '', addresses: [], acceptors: 16, number: 1, status, node_status: [] }
}

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
