// Profiles as text: kept in this browser, or exported to a file and imported again. Passwords go along
// only where the text stays in this browser.
import { freshProfile, FRESH_WISH, type Profile, type Will, type Wish } from './profile'
import type { ConnectProperties, MessageProperties, Pair } from './properties'
import { flag, list, maybeWhole, record, text, U16, U32, upToTwo, whole } from './reading'

const FORM = 'ternmq-profiles-1'
/** The largest subscription identifier. */
export const IDENTIFIER_MAX = 268_435_455

export function exported(profiles: readonly Profile[], withPasswords = false): string {
  const told = profiles.map((profile) => (withPasswords ? profile : { ...profile, password: '' }))
  return JSON.stringify({ form: FORM, profiles: told }, null, 2)
}

/** Profiles of a file; `null` if it is none of ours. What does not read as a profile is left out. */
export function parsed(file: string): Profile[] | null {
  let read: unknown
  try {
    read = JSON.parse(file)
  } catch {
    return null
  }
  const { form, profiles } = record(read)
  if (form !== FORM || !Array.isArray(profiles)) return null
  return profiles.flatMap((one: unknown) => profileOf(record(one)) ?? [])
}

function profileOf(given: Record<string, unknown>): Profile | null {
  const name = text(given.name).trim()
  if (name === '') return null
  const fresh = freshProfile(name)
  return {
    ...fresh,
    id: text(given.id, fresh.id),
    folder: text(given.folder).trim(),
    clientId: text(given.clientId, fresh.clientId),
    version: given.version === 4 ? 4 : 5,
    keepAlive: whole(given.keepAlive, 0, U16, fresh.keepAlive),
    clean: flag(given.clean, fresh.clean),
    connectSecs: whole(given.connectSecs, 1, 600, fresh.connectSecs),
    reconnects: flag(given.reconnects, fresh.reconnects),
    sessionExpiry: whole(given.sessionExpiry, 0, U32, 0),
    username: text(given.username),
    password: text(given.password),
    properties: connectProperties(record(given.properties)),
    will: willOf(given.will),
    subscriptions: list(given.subscriptions).flatMap((one) => wishOf(record(one)) ?? []),
  }
}

function connectProperties(given: Record<string, unknown>): ConnectProperties {
  return {
    receiveMaximum: maybeWhole(given.receiveMaximum, 1, U16),
    packetMax: maybeWhole(given.packetMax, 1, U32),
    aliasMax: maybeWhole(given.aliasMax, 0, U16),
    wantsResponse: flag(given.wantsResponse),
    wantsProblem: flag(given.wantsProblem, true),
    authMethod: text(given.authMethod),
    authData: text(given.authData),
    user: pairsOf(given.user),
  }
}

export function messageProperties(given: Record<string, unknown>): MessageProperties {
  return {
    isText: flag(given.isText),
    expirySecs: maybeWhole(given.expirySecs, 0, U32),
    contentType: text(given.contentType),
    responseTopic: text(given.responseTopic),
    correlation: text(given.correlation),
    user: pairsOf(given.user),
  }
}

function pairsOf(given: unknown): Pair[] {
  return list(given).flatMap((one): Pair[] => {
    const [name, value] = list(one)
    return typeof name === 'string' && typeof value === 'string' ? [[name, value]] : []
  })
}

function willOf(one: unknown): Will | null {
  const given = record(one)
  if (typeof given.topic !== 'string' || typeof given.payload !== 'string') return null
  return {
    topic: given.topic,
    payload: given.payload,
    encoding: given.encoding === 'hex' || given.encoding === 'base64' ? given.encoding : 'text',
    qos: upToTwo(given.qos),
    retain: flag(given.retain),
    delaySecs: whole(given.delaySecs, 0, U32, 0),
    properties: messageProperties(record(given.properties)),
  }
}

function wishOf(given: Record<string, unknown>): Wish | null {
  const filter = text(given.filter)
  if (filter === '') return null
  return {
    filter,
    qos: upToTwo(given.qos),
    noLocal: flag(given.noLocal),
    asPublished: flag(given.asPublished),
    retainHandling: upToTwo(given.retainHandling),
    identifier: maybeWhole(given.identifier, 1, IDENTIFIER_MAX),
    colour: whole(given.colour, 0, 7, FRESH_WISH.colour),
    alias: text(given.alias),
    decoder: text(given.decoder),
    muted: flag(given.muted),
  }
}
