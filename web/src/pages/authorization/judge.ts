// The question whether somebody may do something, what decides it, and the rule that would allow it.
import { api, body, Failure } from '@/api'
import { findClient } from '@/pages/clients/client'
import { findKeeper, isById, listUsers } from '@/pages/mqtt-users/user'
import { t, type Key } from '@/words'

import { actionWord, ALL, ANY_QOS, putFirst, type Action, type Owner } from './rule'
import { isBuiltInOn, isFileFirst, listSources, sourceName } from './source'

export interface Question {
  /** Empty for anonymous. */
  username: string
  clientid: string
  peerhost: string
  action: 'publish' | 'subscribe'
  topic: string
  qos: number
  retain: boolean
}

export interface Verdict {
  readonly allowed: boolean
  /** Some of what a subscription brings is denied. */
  readonly partly: boolean
  /** What decided, as the broker says it. */
  readonly rule: string
  readonly superuser: boolean
}

/** `rules` are tried in the place of the text that is in force. */
export async function judge(question: Question, rules?: string): Promise<Verdict> {
  const { username, clientid, peerhost, action, topic, qos, retain } = question
  const superuser = await isSuperuser(question)
  const asked = {
    clientid,
    action,
    topic,
    qos,
    retain: retain && action === 'publish',
    ...(username === '' ? {} : { username, is_superuser: superuser }),
    ...(peerhost === '' ? {} : { peerhost }),
    ...(rules === undefined ? {} : { rules }),
  }
  const answer = await body(api.POST('/api/v5/authorization/check', { body: asked }))
  return { allowed: answer.result === 'allow', partly: answer.partly, rule: answer.rule, superuser }
}

/** As far as the broker keeps its users itself. */
async function isSuperuser({ username, clientid }: Question): Promise<boolean> {
  if (username === '') return false
  const keeper = await findKeeper()
  if (keeper === null) return false
  const name = isById(keeper) ? clientid : username
  const { data } = await listUsers({ of: '', text: name, kind: 'super' }, 1, 10_000)
  return data.some((user) => user.user_id === name)
}

/** Where a rule stands. */
export type Place = { readonly owner: Owner; readonly number: number; readonly says: string } | { readonly file: true; readonly number: number; readonly says: string }

export interface Who {
  readonly username: string | null
  readonly clientid: string | null
}

/** The place of a rule that decided about somebody: its name has that of its owner, whatever is in that. */
export function placeOf(rule: string, { username, clientid }: Who): Place | null {
  const owners: readonly (readonly [Owner, string])[] = [
    [ALL, 'all'],
    [{ of: 'users', name: username ?? '' }, `user ${username ?? ''}`],
    [{ of: 'clients', name: clientid ?? '' }, `client ${clientid ?? ''}`],
  ]
  for (const [owner, told] of owners) {
    const found = numbered(rule, `built_in_database, ${told}`)
    if (found !== null) return { owner, ...found }
  }
  const found = numbered(rule, 'file')
  return found === null ? null : { file: true, ...found }
}

function numbered(rule: string, source: string): { number: number; says: string } | null {
  if (!rule.startsWith(source)) return null
  const [, number, says] = /^, rule (\d+): (.*)$/s.exec(rule.slice(source.length)) ?? []
  return number === undefined || says === undefined ? null : { number: Number(number), says }
}

/** What decides without a rule, by the broker's words for it. */
const GROUNDS: Readonly<Record<string, Key>> = {
  'no rule is about it (no_match)': 'trial.ground.no_match',
  'an administrator or superuser': 'trial.ground.superuser',
  'a viewer of the dashboard sees everything and publishes nothing': 'trial.ground.viewer',
  'only the broker publishes to topics that begin with $': 'trial.ground.system_topic',
  'clients that come and go, and alarms, are told only to those whom a rule allows it': 'trial.ground.events',
}

/** What decided, in words; a rule that is not known as the broker has it. */
export function groundOf(rule: string, place: Place | null): string {
  const ground = GROUNDS[rule]
  if (ground !== undefined) return t(ground)
  if (place === null) return rule
  return `${whereOf(place)}: ${saysOf(place.says)}`
}

function whereOf(place: Place): string {
  if ('file' in place) return t('trial.fileRule', { source: sourceName('file'), n: place.number })
  const { of, name } = place.owner
  const owner = t(of === 'all' ? 'allow.forAll' : of === 'users' ? 'allow.forUser' : 'allow.forClient', { name })
  return t('trial.rule', { source: sourceName('built_in_database'), owner, n: place.number })
}

function saysOf(text: string): string {
  const [, permission, action, topics] = /^(allow|deny) (publish|subscribe|all) (.*)$/s.exec(text) ?? []
  if (permission === undefined || action === undefined || topics === undefined) return text
  return `${t(permission === 'allow' ? 'authz.allow' : 'authz.deny')} ${actionWord(action as Action)} ${topics}`
}

/** Where the rule is edited. */
export function linkTo(place: Place): { path: string; query: Record<string, string> } {
  if ('file' in place) return { path: '/authorization', query: { tab: 'sources' } }
  const { of, name } = place.owner
  return { path: '/authorization', query: { ...(of === 'all' ? {} : { of, who: name }), rule: String(place.number) } }
}

/** Something that was denied to somebody. */
export interface Denied extends Who {
  readonly action: 'publish' | 'subscribe'
  readonly topic: string
  readonly rule: string
}

export interface Remedy {
  /** For whom it can be allowed, so that it comes before what denies; the closest first. */
  readonly owners: readonly Owner[]
  /** Why it cannot be allowed here. */
  readonly obstacle: 'byFile' | 'byOff' | null
  /** Nobody knows who the client is. */
  readonly anonymous: boolean
}

/** Only a rule can be overruled: what is so by itself stays so. */
export function isCurable(rule: string): boolean {
  const ground = GROUNDS[rule]
  return ground === undefined || ground === 'trial.ground.no_match' || ground === 'trial.ground.events'
}

export function remedyOf(denied: Denied, sources: Parameters<typeof isFileFirst>[0], anonymous: boolean): Remedy {
  const place = placeOf(denied.rule, denied)
  const of = place !== null && 'owner' in place ? place.owner.of : null
  const owners: Owner[] = [
    ...(denied.username && !anonymous && of !== 'clients' ? [{ of: 'users', name: denied.username } as const] : []),
    ...(denied.clientid ? [{ of: 'clients', name: denied.clientid } as const] : []),
    ...(of === null || of === 'all' ? [ALL] : []),
  ]
  const isByFile = place !== null && 'file' in place && isFileFirst(sources)
  return { owners, obstacle: !isBuiltInOn(sources) ? 'byOff' : isByFile ? 'byFile' : null, anonymous }
}

export async function findRemedy(denied: Denied): Promise<Remedy> {
  const [sources, client] = await Promise.all([listSources(), denied.clientid ? findClient(denied.clientid) : null])
  return remedyOf(denied, sources, client?.anonymous ?? denied.username === null)
}

/** Puts the rule in front, and makes sure that it helps. */
export async function allow(denied: Denied, owner: Owner, anonymous: boolean): Promise<void> {
  const { action, topic } = denied
  await putFirst(owner, { permission: 'allow', action, topic: plainFilter(topic), qos: [...ANY_QOS], retain: 'all' })
  const who: Who = { username: anonymous ? null : denied.username, clientid: denied.clientid }
  const verdict = await judge({ username: who.username ?? '', clientid: who.clientid ?? '', peerhost: '', action, topic, qos: 0, retain: false })
  if (!verdict.allowed) throw new Failure(409, 'STILL_DENIED', groundOf(verdict.rule, placeOf(verdict.rule, who)))
}

/** What a shared subscription is to: rules are about that. */
export function plainFilter(topic: string): string {
  return topic.replace(/^\$share\/[^/]*\//, '')
}
