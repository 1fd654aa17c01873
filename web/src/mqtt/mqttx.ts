// Connections as MQTTX exports them: a list of records, of which some are folders. To where they connect
// there is not taken, because this page talks to its own broker alone.
import { newId } from './id'
import { freshProfile, FRESH_WISH, type Profile, type Will, type Wish } from './profile'
import { IDENTIFIER_MAX } from './profile-file'
import { type ConnectProperties, type MessageProperties, pairs, typed, userWire } from './properties'
import { flag, list, maybeWhole, record, text, U16, U32, upToTwo, whole, type Unknown } from './reading'

export interface Imported {
  readonly profiles: readonly Profile[]
  /** Brokers that the connections were for. */
  readonly hosts: readonly string[]
}

/** `null` if the file is no export of MQTTX: one connection, or a list of them. */
export function fromMqttx(file: string): Imported | null {
  let read: unknown
  try {
    read = JSON.parse(file)
  } catch {
    return null
  }
  const records = (Array.isArray(read) ? read : [read]).map(record)
  const folders = new Map(records.filter((one) => one.isCollection === true).map((one) => [text(one.id), one]))
  const connections = records.filter((one) => one.isCollection !== true && typeof one.clientId === 'string' && typeof one.host === 'string')
  if (connections.length === 0) return null
  return {
    profiles: connections.map((one) => profileOf(one, path(one, folders))),
    hosts: [...new Set(connections.map((one) => `${text(one.host)}:${text(one.port) || String(one.port)}`))],
  }
}

/** The names of the folders that it lies in. */
function path(one: Unknown, folders: ReadonlyMap<string, Unknown>): string {
  const names: string[] = []
  const seen = new Set<string>()
  let at = text(one.parentId)
  while (at !== '' && !seen.has(at)) {
    seen.add(at)
    const folder = folders.get(at)
    if (folder === undefined) break
    names.unshift(text(folder.name))
    at = text(folder.parentId)
  }
  return names.join(' / ')
}

function profileOf(one: Unknown, folder: string): Profile {
  const properties = record(one.properties)
  const fresh = freshProfile(text(one.name).trim() || text(one.clientId), text(one.clientId))
  return {
    ...fresh,
    folder,
    version: one.mqttVersion === '5.0' ? 5 : 4,
    keepAlive: whole(one.keepalive, 0, U16, fresh.keepAlive),
    clean: flag(one.clean, true),
    connectSecs: whole(one.connectTimeout, 1, 600, fresh.connectSecs),
    reconnects: flag(one.reconnect, true),
    sessionExpiry: whole(properties.sessionExpiryInterval, 0, U32, 0),
    username: text(one.username),
    password: text(one.password),
    properties: connectProperties(properties),
    will: willOf(record(one.will)),
    subscriptions: list(one.subscriptions).flatMap((wish, at) => wishOf(record(wish), at) ?? []),
  }
}

function connectProperties(given: Unknown): ConnectProperties {
  return {
    receiveMaximum: maybeWhole(given.receiveMaximum, 1, U16),
    packetMax: maybeWhole(given.maximumPacketSize, 1, U32),
    aliasMax: maybeWhole(given.topicAliasMaximum, 0, U16),
    wantsResponse: flag(given.requestResponseInformation),
    wantsProblem: flag(given.requestProblemInformation, true),
    authMethod: text(given.authenticationMethod),
    authData: bytesText(given.authenticationData),
    user: userPairs(given.userProperties),
  }
}

function messageProperties(given: Unknown): MessageProperties {
  return {
    isText: flag(given.payloadFormatIndicator),
    expirySecs: maybeWhole(given.messageExpiryInterval, 0, U32),
    contentType: text(given.contentType),
    responseTopic: text(given.responseTopic),
    correlation: bytesText(given.correlationData),
    user: userPairs(given.userProperties),
  }
}

/** A text, or bytes as Node.js writes them in JSON. */
function bytesText(given: unknown): string {
  const { type, data } = record(given)
  return type === 'Buffer' ? typed(Uint8Array.from(list(data).map((byte) => whole(byte, 0, 255, 0)))) : text(given)
}

function userPairs(given: unknown): ReturnType<typeof pairs> {
  const texts = Object.entries(record(given)).map(([name, value]) => [name, [value].flat().filter((one) => typeof one === 'string')] as const)
  return pairs(Object.fromEntries(texts))
}

function willOf(given: Unknown): Will | null {
  const topic = text(given.lastWillTopic)
  if (topic === '') return null
  const properties = record(given.properties)
  return {
    topic,
    payload: text(given.lastWillPayload),
    encoding: 'text',
    qos: upToTwo(given.lastWillQos),
    retain: flag(given.lastWillRetain),
    delaySecs: whole(properties.willDelayInterval, 0, U32, 0),
    properties: messageProperties(properties),
  }
}

function wishOf(given: Unknown, at: number): Wish | null {
  const filter = text(given.topic)
  if (filter === '') return null
  return {
    ...FRESH_WISH,
    filter,
    qos: upToTwo(given.qos),
    noLocal: flag(given.nl),
    asPublished: flag(given.rap),
    retainHandling: upToTwo(given.rh),
    identifier: maybeWhole(given.subscriptionIdentifier, 1, IDENTIFIER_MAX),
    colour: at % 8,
    alias: text(given.alias),
  }
}

/** Where MQTTX would find this broker. */
export interface Here {
  readonly host: string
  readonly port: number
  readonly isSecure: boolean
}

export function toMqttx(profiles: readonly Profile[], here: Here): string {
  const folders = [...new Set(profiles.map((one) => one.folder))].filter((name) => name !== '')
  const ids = new Map(folders.map((name) => [name, newId()]))
  const collections = folders.map((name, at) => ({ id: ids.get(name), name, isCollection: true, orderId: at, parentId: null }))
  const connections = profiles.map((one, at) => ({
    id: newId(),
    name: one.name,
    isCollection: false,
    orderId: at,
    parentId: ids.get(one.folder) ?? null,
    clientId: one.clientId || one.name,
    clean: one.clean,
    protocol: here.isSecure ? 'wss' : 'ws',
    host: here.host,
    port: here.port,
    path: '/mqtt',
    ssl: here.isSecure,
    certType: here.isSecure ? 'server' : '',
    rejectUnauthorized: true,
    ca: '',
    cert: '',
    key: '',
    keepalive: one.keepAlive,
    connectTimeout: one.connectSecs,
    reconnect: one.reconnects,
    reconnectPeriod: 4000,
    username: one.username,
    // What stays in this browser.
    password: '',
    mqttVersion: one.version === 5 ? '5.0' : '3.1.1',
    unreadMessageCount: 0,
    clientIdWithTime: false,
    messages: [],
    subscriptions: one.subscriptions.map(subscription),
    properties: connectRecord(one),
    ...(one.will === null ? {} : { will: willRecord(one.will) }),
  }))
  return JSON.stringify([...collections, ...connections], null, 2)
}

function subscription(one: Wish): object {
  return {
    id: newId(),
    topic: one.filter,
    qos: one.qos,
    disabled: false,
    alias: one.alias,
    nl: one.noLocal,
    rap: one.asPublished,
    rh: one.retainHandling,
    subscriptionIdentifier: one.identifier,
  }
}

function connectRecord(one: Profile): object {
  const { receiveMaximum, packetMax, aliasMax, wantsResponse, wantsProblem, authMethod, authData, user } = one.properties
  return {
    sessionExpiryInterval: one.sessionExpiry,
    receiveMaximum,
    maximumPacketSize: packetMax,
    topicAliasMaximum: aliasMax,
    requestResponseInformation: wantsResponse,
    requestProblemInformation: wantsProblem,
    authenticationMethod: authMethod || null,
    authenticationData: authData || null,
    userProperties: userWire(user).userProperties ?? null,
  }
}

function willRecord(will: Will): object {
  const { isText, expirySecs, contentType, responseTopic, correlation, user } = will.properties
  return {
    id: newId(),
    lastWillTopic: will.topic,
    lastWillPayload: will.payload,
    lastWillQos: will.qos,
    lastWillRetain: will.retain,
    properties: {
      willDelayInterval: will.delaySecs,
      payloadFormatIndicator: isText,
      messageExpiryInterval: expirySecs,
      contentType,
      responseTopic,
      correlationData: correlation,
      userProperties: userWire(user).userProperties ?? null,
    },
  }
}
