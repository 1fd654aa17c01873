// The properties of version 5 as a form has them, as packets have them, and as they are read. Which are
// not set is told by emptiness or null: an empty text and no text mean the same to whoever reads a form.
import type { IClientOptions, IPublishPacket } from 'mqtt'

import { bytesOf, plainHex } from '@/payload/bytes'
import { isText } from '@/payload/text'

export type Pair = readonly [name: string, value: string]

export type Wire = NonNullable<IPublishPacket['properties']>
type ConnectWire = NonNullable<IClientOptions['properties']>
type WillWire = NonNullable<NonNullable<IClientOptions['will']>['properties']>

/** Of a message that is published, and of a will. */
export interface MessageProperties {
  /** The payload is said to be UTF-8. */
  readonly isText: boolean
  readonly expirySecs: number | null
  readonly contentType: string
  readonly responseTopic: string
  /** Text, or bytes as 0x and pairs of digits. */
  readonly correlation: string
  readonly user: readonly Pair[]
}

export interface ConnectProperties {
  readonly receiveMaximum: number | null
  readonly packetMax: number | null
  readonly aliasMax: number | null
  readonly wantsResponse: boolean
  /** Off: reason strings and user properties are not wanted in answers. */
  readonly wantsProblem: boolean
  readonly authMethod: string
  readonly authData: string
  readonly user: readonly Pair[]
}

export const NO_PROPERTIES: MessageProperties = { isText: false, expirySecs: null, contentType: '', responseTopic: '', correlation: '', user: [] }

export const NO_CONNECT_PROPERTIES: ConnectProperties = {
  receiveMaximum: null,
  packetMax: null,
  aliasMax: null,
  wantsResponse: false,
  wantsProblem: true,
  authMethod: '',
  authData: '',
  user: [],
}

/** Bytes of a field that takes text, or bytes behind 0x; `null` if the digits are no pairs. */
export function binary(text: string): Uint8Array | null {
  return text.startsWith('0x') ? bytesOf(text.slice(2), 'hex') : bytesOf(text, 'text')
}

/** The reverse: text where the bytes are one that can be typed. */
export function typed(bytes: Uint8Array): string {
  const text = isText(bytes) ? new TextDecoder().decode(bytes) : ''
  const isPlain = text !== '' && !text.startsWith('0x') && !/[\u0000-\u001f\u007f-\u009f]/.test(text)
  return isPlain || bytes.length === 0 ? text : `0x${plainHex(bytes)}`
}

export function publishWire(given: MessageProperties, alias: number | null): Wire {
  return { ...messageWire(given), ...(alias === null ? {} : { topicAlias: alias }) }
}

export function willWire(given: MessageProperties, delaySecs: number): WillWire {
  return { ...messageWire(given), ...(delaySecs === 0 ? {} : { willDelayInterval: delaySecs }) }
}

function messageWire(given: MessageProperties): WillWire & Wire {
  const correlation = given.correlation === '' ? null : binary(given.correlation)
  return {
    ...(given.isText ? { payloadFormatIndicator: true } : {}),
    ...(given.expirySecs === null ? {} : { messageExpiryInterval: given.expirySecs }),
    ...(given.contentType === '' ? {} : { contentType: given.contentType }),
    ...(given.responseTopic === '' ? {} : { responseTopic: given.responseTopic }),
    // The library takes the browser's bytes for those of Node.js, which they are like.
    ...(correlation === null ? {} : { correlationData: correlation as Buffer }),
    ...userWire(given.user),
  }
}

export function connectWire(given: ConnectProperties, sessionExpirySecs: number): ConnectWire {
  const authData = given.authData === '' ? null : binary(given.authData)
  return {
    sessionExpiryInterval: sessionExpirySecs,
    ...(given.receiveMaximum === null ? {} : { receiveMaximum: given.receiveMaximum }),
    ...(given.packetMax === null ? {} : { maximumPacketSize: given.packetMax }),
    ...(given.aliasMax === null ? {} : { topicAliasMaximum: given.aliasMax }),
    ...(given.wantsResponse ? { requestResponseInformation: true } : {}),
    ...(given.wantsProblem ? {} : { requestProblemInformation: false }),
    ...(given.authMethod === '' ? {} : { authenticationMethod: given.authMethod }),
    ...(given.authMethod === '' || authData === null ? {} : { authenticationData: authData as Buffer }),
    ...userWire(given.user),
  }
}

/** The same name may be there several times. */
export function userWire(pairs: readonly Pair[]): { userProperties?: Record<string, string | string[]> } {
  if (pairs.length === 0) return {}
  const all = Object.create(null) as Record<string, string[]>
  for (const [name, value] of pairs) (all[name] ??= []).push(value)
  return { userProperties: all }
}

export function pairs(user: Wire['userProperties']): Pair[] {
  return Object.entries(user ?? {}).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one): Pair => [name, one]))
}

/** What came, as a form has it: for publishing it again. */
export function fromWire(wire: Wire | undefined): MessageProperties {
  if (wire === undefined) return NO_PROPERTIES
  return {
    isText: wire.payloadFormatIndicator ?? false,
    expirySecs: wire.messageExpiryInterval ?? null,
    contentType: wire.contentType ?? '',
    responseTopic: wire.responseTopic ?? '',
    correlation: wire.correlationData ? typed(wire.correlationData) : '',
    user: pairs(wire.userProperties),
  }
}

export type PropertyName = 'isText' | 'expiry' | 'contentType' | 'responseTopic' | 'correlation' | 'alias' | 'identifier' | 'user'

/** Property by property, for reading. */
export function told(wire: Wire | undefined): { readonly name: PropertyName; readonly value: string }[] {
  if (wire === undefined) return []
  const { isText: utf8, expirySecs, contentType, responseTopic, correlation, user } = fromWire(wire)
  const identifiers = [wire.subscriptionIdentifier ?? []].flat()
  const all: [PropertyName, string][] = [
    ['isText', utf8 ? 'UTF-8' : ''],
    ['expiry', expirySecs === null ? '' : `${expirySecs} s`],
    ['contentType', contentType],
    ['responseTopic', responseTopic],
    ['correlation', correlation],
    ['alias', wire.topicAlias === undefined ? '' : String(wire.topicAlias)],
    ['identifier', identifiers.join(', ')],
    ...user.map(([name, value]): [PropertyName, string] => ['user', `${name} = ${value}`]),
  ]
  return all.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value }))
}
