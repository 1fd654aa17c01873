// Retained messages as a file, a JSON object in each line, and back. A line is what `POST /publish` takes.
import { base64, bytesOf } from '@/payload/bytes'
import { topicFault } from '@/mqtt/filter'
import { isText } from '@/payload/text'

import type { Whole } from './retained'

export interface Line {
  readonly topic: string
  readonly payload: string
  readonly payload_encoding: 'plain' | 'base64'
  readonly qos: number
  readonly retain: true
}

export function lineOf({ message, payload }: Whole): Line | null {
  if (payload === null) return null
  const plain = isText(payload)
  return {
    topic: message.topic,
    payload: plain ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload) : base64(payload),
    payload_encoding: plain ? 'plain' : 'base64',
    qos: message.qos,
    retain: true,
  }
}

export function written(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

export type LineFault = 'json' | 'topic' | 'payload' | 'qos' | 'empty'

export interface Parsed {
  readonly lines: readonly Line[]
  /** By number, from 1. */
  readonly faults: readonly { readonly line: number; readonly why: LineFault }[]
}

export function parsed(text: string): Parsed {
  const lines: Line[] = []
  const faults: { line: number; why: LineFault }[] = []
  for (const [at, one] of text.replace(/^\ufeff/, '').split('\n').entries()) {
    if (one.trim() === '') continue
    const read = parsedLine(one)
    if (typeof read === 'string') faults.push({ line: at + 1, why: read })
    else lines.push(read)
  }
  return { lines, faults }
}

function parsedLine(text: string): Line | LineFault {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return 'json'
  }
  if (typeof read !== 'object' || read === null) return 'json'
  const { topic, payload, payload_encoding = 'plain', qos = 0 } = read as Record<string, unknown>
  if (typeof topic !== 'string' || topicFault(topic) !== null) return 'topic'
  if (typeof payload !== 'string' || (payload_encoding !== 'plain' && payload_encoding !== 'base64')) return 'payload'
  if (payload_encoding === 'base64' && bytesOf(payload, 'base64') === null) return 'payload'
  // An empty one would delete what is retained.
  if (payload === '') return 'empty'
  if (qos !== 0 && qos !== 1 && qos !== 2) return 'qos'
  return { topic, payload, payload_encoding, qos, retain: true }
}

/** The API takes several messages together, up to 8 MB. */
const BATCH_LINES = 200
const BATCH_CHARACTERS = 1_500_000

export function batches(lines: readonly Line[]): Line[][] {
  const all: Line[][] = []
  let batch: Line[] = []
  let characters = 0
  for (const line of lines) {
    if (batch.length > 0 && (batch.length >= BATCH_LINES || characters + line.payload.length > BATCH_CHARACTERS)) {
      all.push(batch)
      batch = []
      characters = 0
    }
    batch.push(line)
    characters += line.payload.length
  }
  if (batch.length > 0) all.push(batch)
  return all
}
