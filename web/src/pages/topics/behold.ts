// A message as the explorer shows it, wherever it came from.
import { t } from '@/words'
import { exact, moment, size } from '@/words/format'

import { payloadOf, type Message } from './topic'

export interface Beheld {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly publisher: string
  readonly qos: number
  readonly retain: boolean
  /** Bytes of the whole payload. */
  readonly size: number
  readonly payload: Uint8Array
  /** As it came, by which it is known again. */
  readonly text?: string
}

export function beheld(message: Message): Beheld {
  return { at: message.time_stamp, publisher: message.publisher, qos: message.qos, retain: message.retain, size: message.size, payload: payloadOf(message) }
}

/** The same objects for the same messages, so that what is shown is not read again each second. */
export function beheldAll(messages: readonly Message[], before: readonly Beheld[]): Beheld[] {
  const known = new Map<number, Beheld[]>()
  for (const one of before) known.set(one.at, [...(known.get(one.at) ?? []), one])
  return messages.map((message) => known.get(message.time_stamp)?.find((one) => isOf(one, message)) ?? { ...beheld(message), text: message.payload })
}

function isOf(one: Beheld, message: Message): boolean {
  return one.publisher === message.publisher && one.size === message.size && one.text === message.payload
}

const DAY_MS = 86_400_000

export function factsOf(message: Beheld): string[] {
  return [
    Date.now() - message.at < DAY_MS ? exact(message.at) : moment(message.at),
    ...(message.publisher === '' ? [] : [t('topics.from', { who: message.publisher })]),
    `QoS ${message.qos}`,
    ...(message.retain ? [t('mqtt.retainedTag')] : []),
    size(message.size),
  ]
}
