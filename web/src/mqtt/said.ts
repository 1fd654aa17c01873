// Packets as the log of a connection keeps them: without payloads and passwords, and cheap to make, because
// thousands may come each second. They are put into words when they are looked at.
import type { Packet } from 'mqtt'

import { codeTold } from './reason'
import type { Version } from './profile'

export interface LoggedPacket {
  readonly number: number
  readonly at: number
  readonly isOut: boolean
  readonly kind: string
  /** It carries a message, or answers one that does. */
  readonly isTraffic: boolean
  /** Names and flags; the same in every language. */
  readonly about: string
  /** Reason codes, 3.1.1's return codes. */
  readonly codes: readonly number[]
}

const TRAFFIC = new Set<Packet['cmd']>(['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp'])

export function said(packet: Packet, isOut: boolean, number: number, at: number): LoggedPacket {
  return { number, at, isOut, kind: packet.cmd.toUpperCase(), isTraffic: TRAFFIC.has(packet.cmd), about: about(packet), codes: codes(packet) }
}

export function codesTold(packet: LoggedPacket, version: Version): string {
  // SUBACK's codes below 0x80 are the QoS that was granted.
  if (packet.kind === 'SUBACK') return packet.codes.map((code) => (code < 0x80 ? `QoS ${code}` : codeTold(code, version))).join(', ')
  return packet.codes.map((code) => codeTold(code, packet.kind === 'CONNACK' ? version : 5)).join(', ')
}

function about(packet: Packet): string {
  switch (packet.cmd) {
    case 'connect':
      return words(packet.clientId, packet.username && `(${packet.username})`, packet.clean && 'clean', packet.will && `will ${packet.will.topic}`, `keep alive ${packet.keepalive ?? 0} s`)
    case 'connack':
      return packet.sessionPresent ? 'session present' : ''
    case 'publish':
      return words(packet.topic, `QoS ${packet.qos}`, packet.retain && 'retain', packet.dup && 'dup', `${packet.payload.length} B`, id(packet))
    case 'subscribe':
      return words(packet.subscriptions.map((one) => `${one.topic} QoS ${one.qos}${one.nl ? ' nl' : ''}${one.rap ? ' rap' : ''}${one.rh ? ` rh ${one.rh}` : ''}`).join(', '), id(packet))
    case 'unsubscribe':
      return words(packet.unsubscriptions.join(', '), id(packet))
    default:
      return words(id(packet), reasonString(packet))
  }
}

function words(...all: (string | false | undefined)[]): string {
  return all.filter(Boolean).join(' ')
}

function id(packet: Packet): string | undefined {
  // Messages of QoS 0 have none; the library says 0.
  return packet.messageId ? `#${packet.messageId}` : undefined
}

function reasonString(packet: Packet): string | undefined {
  const properties: unknown = 'properties' in packet ? packet.properties : undefined
  const reason = typeof properties === 'object' && properties !== null && 'reasonString' in properties ? properties.reasonString : undefined
  return typeof reason === 'string' ? reason : undefined
}

function codes(packet: Packet): number[] {
  switch (packet.cmd) {
    case 'connack':
      return [packet.reasonCode ?? packet.returnCode ?? 0]
    case 'disconnect':
      return [packet.reasonCode ?? 0]
    case 'suback':
    case 'unsuback':
      // UNSUBACK of 3.1.1 has none.
      return [packet.granted].flat().filter((one) => typeof one === 'number')
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      // Success is what is expected.
      return packet.reasonCode ? [packet.reasonCode] : []
    default:
      return []
  }
}
