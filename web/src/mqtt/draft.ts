// What is about to be published, as it stands in the form, and how it becomes bytes.
import { base64, bytesOf } from '@/payload/bytes'
import { readJson } from '@/payload/json'
import { isText } from '@/payload/text'

import type { Message } from './message'
import type { Qos } from './profile'
import { messageProperties } from './profile-file'
import { fromWire, type MessageProperties, NO_PROPERTIES } from './properties'
import { flag, record, text, U16, upToTwo, whole } from './reading'
import { filled } from './template'

export type Form = 'text' | 'json' | 'hex' | 'base64' | 'file'
export const FORMS: readonly Form[] = ['text', 'json', 'hex', 'base64', 'file']

export interface Draft {
  readonly topic: string
  readonly text: string
  readonly form: Form
  readonly qos: Qos
  readonly retain: boolean
  readonly properties: MessageProperties
  /** The topic alias; null: none. */
  readonly alias: number | null
}

export const FRESH_DRAFT: Draft = { topic: 'test', text: 'hello', form: 'text', qos: 0, retain: false, properties: NO_PROPERTIES, alias: null }

/** Why a draft has no bytes: where JSON is wrong, as line and column. */
export type Fault = { readonly kind: 'hex' | 'base64' | 'file' } | { readonly kind: 'json'; readonly place: readonly [line: number, column: number] }

/** `file` is the chosen one. */
export function bytesOfDraft(draft: Draft, file: Uint8Array | null, seq: number, now: number): Uint8Array | Fault {
  switch (draft.form) {
    case 'file':
      return file ?? { kind: 'file' }
    case 'hex':
    case 'base64':
      return bytesOf(draft.text, draft.form) ?? { kind: draft.form }
    case 'text':
    case 'json': {
      const whole = filled(draft.text, seq, now)
      const fault = draft.form === 'json' ? jsonFault(whole) : null
      return fault ?? new TextEncoder().encode(whole)
    }
  }
}

function jsonFault(text: string): Fault | null {
  const read = readJson(text)
  if ('value' in read) return null
  const before = text.slice(0, read.fault.at).split('\n')
  return { kind: 'json', place: [before.length, (before.at(-1)?.length ?? 0) + 1] }
}

/** To publish again what came or went. */
export function again(message: Message): Draft {
  const plain = isText(message.payload)
  return {
    topic: message.topic,
    text: plain ? new TextDecoder().decode(message.payload) : base64(message.payload),
    form: plain ? 'text' : 'base64',
    qos: message.qos,
    retain: message.retain,
    properties: fromWire(message.properties),
    alias: null,
  }
}

/** The answer that a request asks for: to its response topic, with its correlation data. */
export function reply(message: Message): Draft | null {
  const { responseTopic, correlation } = fromWire(message.properties)
  if (responseTopic === '') return null
  return { ...FRESH_DRAFT, topic: responseTopic, text: '', qos: message.qos, properties: { ...NO_PROPERTIES, correlation } }
}

export function draftOf(one: unknown): Draft {
  const given = record(one)
  const form = FORMS.find((known) => known === given.form) ?? 'text'
  return {
    topic: text(given.topic),
    text: text(given.text),
    form,
    qos: upToTwo(given.qos),
    retain: flag(given.retain),
    properties: messageProperties(record(given.properties)),
    alias: whole(given.alias, 1, U16, 0) || null,
  }
}
