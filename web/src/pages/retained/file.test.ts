import { expect, it } from 'vitest'

import { batches, lineOf, parsed, written, type Line } from './file'
import type { Retained } from './retained'

const message = (topic: string, qos = 1): Retained => ({ topic, qos, msgid: '', publish_at: '', from_clientid: '', from_username: '', held_back: false })
const whole = (topic: string, payload: Uint8Array | null) => ({ message: message(topic), payload })

it('is read back as it was written', () => {
  const lines = [whole('lab/温度', new TextEncoder().encode('{"a":1}\n')), whole('raw', new Uint8Array([0, 255]))].map(lineOf).filter((line) => line !== null)
  expect(lines.map((line) => line.payload_encoding)).toEqual(['plain', 'base64'])
  const text = written(lines)
  expect(text.trimEnd().split('\n')).toHaveLength(2)
  expect(parsed(text)).toEqual({ lines, faults: [] })
  expect(lineOf(whole('large', null))).toBeNull()
})

it('says which lines are no messages', () => {
  const text = ['\ufeff{"topic":"a","payload":"1"}', 'x', '', '{"topic":"a/#","payload":"1"}', '{"topic":"a","payload":7}', '{"topic":"a","payload":"*","payload_encoding":"base64"}', '{"topic":"a","payload":"1","qos":3}', '{"topic":"a","payload":""}'].join('\r\n')
  const read = parsed(text)
  expect(read.lines).toEqual([{ topic: 'a', payload: '1', payload_encoding: 'plain', qos: 0, retain: true }])
  expect(read.faults).toEqual([
    { line: 2, why: 'json' },
    { line: 4, why: 'topic' },
    { line: 5, why: 'payload' },
    { line: 6, why: 'payload' },
    { line: 7, why: 'qos' },
    { line: 8, why: 'empty' },
  ])
})

it('goes to the broker in parts that it takes', () => {
  const line = (payload: string): Line => ({ topic: 't', payload, payload_encoding: 'plain', qos: 0, retain: true })
  expect(batches([])).toEqual([])
  expect(batches(Array.from({ length: 450 }, () => line('x'))).map((batch) => batch.length)).toEqual([200, 200, 50])
  const large = line('x'.repeat(1_000_000))
  expect(batches([large, large, large]).map((batch) => batch.length)).toEqual([1, 1, 1])
})
