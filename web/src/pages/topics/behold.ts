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
}

export function beheld(message: Message): Beheld {
  return { at: message.time_stamp, publisher: message.publisher, qos: message.qos, retain: message.retain, size: message.size, payload: payloadOf(message) }
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
