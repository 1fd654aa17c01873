// A message as a connection keeps it: its bytes are its own, so that a short one does not hold on to the
// long piece of network it came in.
import type { IPublishPacket } from 'mqtt'

import type { Qos } from './profile'
import type { Wire } from './properties'

export interface Message {
  /** Counts on through the life of the page. */
  readonly number: number
  readonly at: number
  readonly isOut: boolean
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: Qos
  readonly retain: boolean
  readonly dup: boolean
  readonly properties: Wire | undefined
}

export interface Outgoing {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: Qos
  readonly retain: boolean
  readonly properties?: Wire
}

/** Beside its payload: names, numbers, the object itself. */
const AROUND = 200

export function weight(message: Message): number {
  return message.payload.length + 2 * message.topic.length + AROUND
}

export function incoming(topic: string, payload: Uint8Array, packet: IPublishPacket, number: number, at: number): Message {
  const { qos, retain, dup, properties } = packet
  return { number, at, isOut: false, topic, payload: new Uint8Array(payload), qos, retain, dup, properties: own(properties) }
}

function own(properties: Wire | undefined): Wire | undefined {
  if (properties?.correlationData === undefined) return properties
  return { ...properties, correlationData: new Uint8Array(properties.correlationData) as Buffer }
}
