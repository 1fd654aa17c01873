// Packets in words, for the log of a connection.
import type { Packet } from 'mqtt'

export interface LoggedPacket {
  readonly at: number
  readonly isOut: boolean
  readonly kind: string
  readonly about: string
}

export function said(packet: Packet, isOut: boolean): LoggedPacket {
  return { at: Date.now(), isOut, kind: packet.cmd.toUpperCase(), about: about(packet) }
}

function about(packet: Packet): string {
  switch (packet.cmd) {
    case 'connect':
      return `${packet.clientId}${packet.username ? ` (${packet.username})` : ''}`
    case 'connack':
      return code(packet.reasonCode ?? packet.returnCode ?? 0)
    case 'publish':
      return `${packet.topic} QoS ${packet.qos}${packet.retain ? ' retain' : ''}${packet.messageId ? ` #${packet.messageId}` : ''}`
    case 'subscribe':
      return packet.subscriptions.map((one) => `${one.topic} QoS ${one.qos}`).join(', ')
    case 'suback':
      return packet.granted.map((one) => (typeof one === 'number' ? code(one) : '')).join(', ')
    case 'unsubscribe':
      return packet.unsubscriptions.join(', ')
    case 'disconnect':
      return code(packet.reasonCode ?? 0)
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
    case 'unsuback':
      return packet.messageId === undefined ? '' : `#${packet.messageId}`
    default:
      return ''
  }
}

/** A reason code as it is written everywhere else. */
function code(n: number): string {
  return `0x${n.toString(16).padStart(2, '0')}`
}
