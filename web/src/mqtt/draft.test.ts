import { expect, it } from 'vitest'

import { again, bytesOfDraft, draftOf, FRESH_DRAFT, reply } from './draft'
import type { Message } from './message'
import { NO_PROPERTIES } from './properties'

const bytes = (text: string) => new TextEncoder().encode(text)
const message: Message = { number: 1, at: 0, isOut: false, topic: 'ask', payload: bytes('q'), qos: 1, retain: true, dup: false, properties: undefined }

it('makes bytes of each form', () => {
  expect(bytesOfDraft({ ...FRESH_DRAFT, text: '{"n":${seq}}', form: 'json' }, null, 7, 0)).toEqual(bytes('{"n":7}'))
  expect(bytesOfDraft({ ...FRESH_DRAFT, text: '${seq}', form: 'hex' }, null, 7, 0)).toEqual({ kind: 'hex' })
  expect(bytesOfDraft({ ...FRESH_DRAFT, text: '00 ff', form: 'hex' }, null, 0, 0)).toEqual(new Uint8Array([0, 255]))
  expect(bytesOfDraft({ ...FRESH_DRAFT, form: 'file' }, null, 0, 0)).toEqual({ kind: 'file' })
  expect(bytesOfDraft({ ...FRESH_DRAFT, form: 'file' }, bytes('f'), 0, 0)).toEqual(bytes('f'))
})

it('says where JSON is wrong', () => {
  expect(bytesOfDraft({ ...FRESH_DRAFT, text: '{\n  "a": x}', form: 'json' }, null, 0, 0)).toEqual({ kind: 'json', place: [2, 8] })
})

it('publishes again what came, as it came', () => {
  expect(again(message)).toMatchObject({ topic: 'ask', text: 'q', form: 'text', qos: 1, retain: true })
  expect(again({ ...message, payload: new Uint8Array([255]) })).toMatchObject({ text: '/w==', form: 'base64' })
})

it('replies where an answer is wanted, with what ties it to the question', () => {
  expect(reply(message)).toBeNull()
  const asked = { ...message, properties: { responseTopic: 'r', correlationData: new Uint8Array([0, 1]) as Buffer } }
  expect(reply(asked)).toMatchObject({ topic: 'r', text: '', properties: { ...NO_PROPERTIES, correlation: '0x0001' } })
})

it('reads a kept draft back', () => {
  const draft = { ...FRESH_DRAFT, form: 'hex', alias: 3, properties: { ...NO_PROPERTIES, contentType: 'x' } } as const
  expect(draftOf(JSON.parse(JSON.stringify(draft)))).toEqual(draft)
  expect(draftOf(null)).toMatchObject({ topic: '', form: 'text', alias: null })
})
