// The rules that are edited here: whose they are, in which order, and what is wrong with one that is typed.
import { api, body, type Answer } from '@/api'
import type { Page } from '@/design/list'
import { ordered, type Ordered } from '@/design/ordered'
import type { Column } from '@/design/table'
import { filterFault } from '@/mqtt/filter'
import { t } from '@/words'
import { count } from '@/words/format'

export type Rule = Answer<'/api/v5/authorization/sources/built_in_database/rules/all'>['rules'][number]
export type Action = Rule['action']

export const ACTIONS: readonly Action[] = ['publish', 'subscribe', 'all']
/** Of one user, one client, or all. */
export const RULES_MAX = 100
const LIMIT_MAX = 10_000

export const OFS = ['all', 'users', 'clients'] as const
export type Of = (typeof OFS)[number]

/** Whose rules they are; all have no name. */
export interface Owner {
  readonly of: Of
  readonly name: string
}

export const ALL: Owner = { of: 'all', name: '' }

export interface Owned {
  readonly name: string
  readonly rules: readonly Rule[]
}

/** Users, or clients, that have rules. */
export async function listOwners(of: 'users' | 'clients', part: string, page: number, limit: number, signal?: AbortSignal): Promise<Page<Owned>> {
  const pages = { page, limit }
  const given = { signal: signal ?? null }
  if (of === 'users') {
    const query = { ...pages, ...(part === '' ? {} : { like_username: part }) }
    const found = await body(api.GET('/api/v5/authorization/sources/built_in_database/rules/users', { params: { query }, ...given }))
    return { meta: found.meta, data: found.data.map(({ username, rules }) => ({ name: username, rules })) }
  }
  const query = { ...pages, ...(part === '' ? {} : { like_clientid: part }) }
  const found = await body(api.GET('/api/v5/authorization/sources/built_in_database/rules/clients', { params: { query }, ...given }))
  return { meta: found.meta, data: found.data.map(({ clientid, rules }) => ({ name: clientid, rules })) }
}

/** By the list: who has no rules is not there, and would stand in the browser's console as an error. */
export async function loadRules(owner: Owner, signal?: AbortSignal): Promise<readonly Rule[]> {
  if (owner.of === 'all') return (await body(api.GET('/api/v5/authorization/sources/built_in_database/rules/all', { signal: signal ?? null }))).rules
  const { data } = await listOwners(owner.of, owner.name, 1, LIMIT_MAX, signal)
  return data.find(({ name }) => name === owner.name)?.rules ?? []
}

/** In the place of all that it had. Whoever has none left is not kept. */
export async function storeRules({ of, name }: Owner, rules: Rule[]): Promise<void> {
  if (of === 'all') {
    await api.POST('/api/v5/authorization/sources/built_in_database/rules/all', { body: { rules } })
  } else if (of === 'users') {
    const params = { path: { username: name } }
    if (rules.length === 0) await api.DELETE('/api/v5/authorization/sources/built_in_database/rules/users/{username}', { params })
    else await api.PUT('/api/v5/authorization/sources/built_in_database/rules/users/{username}', { params, body: { rules } })
  } else {
    const params = { path: { clientid: name } }
    if (rules.length === 0) await api.DELETE('/api/v5/authorization/sources/built_in_database/rules/clients/{clientid}', { params })
    else await api.PUT('/api/v5/authorization/sources/built_in_database/rules/clients/{clientid}', { params, body: { rules } })
  }
}

export function rulesOf(owner: Owner): Ordered<Rule> {
  return ordered(
    () => loadRules(owner),
    (rules: Rule[]) => storeRules(owner, rules),
  )
}

/** In front of the others, so that it comes before what denies. */
export async function putFirst(owner: Owner, rule: Rule): Promise<void> {
  await storeRules(owner, [rule, ...(await loadRules(owner))])
}

/** A rule as it is typed. */
export interface Draft {
  permission: Rule['permission']
  action: Action
  topic: string
  /** This filter and none that is narrower. */
  exact: boolean
  qos: number[]
  retain: 'all' | 'true' | 'false'
}

const EXACT = 'eq '
export const ANY_QOS: readonly number[] = [0, 1, 2]

export function draftOf(rule: Rule | null): Draft {
  const topic = rule?.topic ?? ''
  return {
    permission: rule?.permission ?? 'allow',
    action: rule?.action ?? 'all',
    topic: topic.startsWith(EXACT) ? topic.slice(EXACT.length) : topic,
    exact: topic.startsWith(EXACT),
    qos: [...(rule?.qos ?? ANY_QOS)],
    retain: retainOf(rule?.retain),
  }
}

export function retainOf(retain: Rule['retain']): Draft['retain'] {
  const text = String(retain ?? 'all')
  return text === 'true' || text === 'false' ? text : 'all'
}

export function ruleOf(draft: Draft): Rule {
  const { permission, action, topic, exact, qos, retain } = draft
  return {
    permission,
    action,
    topic: exact && isWild(topic) ? EXACT + topic : topic,
    qos: [...qos].sort((a, b) => a - b),
    // Whoever only subscribes retains nothing.
    retain: action === 'subscribe' ? 'all' : retain,
  }
}

export function isWild(topic: string): boolean {
  return /[+#]/.test(topic)
}

export type Faults = Partial<Record<'topic' | 'qos', string | undefined>>

export function faultsOf({ topic, qos }: Draft): Faults {
  const wrong = filterFault(topic)
  const shared = topic.startsWith('$share/')
  return {
    topic: shared ? t('authz.noShare') : wrong === null ? undefined : t(`filter.${wrong}`),
    qos: qos.length === 0 ? t('authz.qosMissing') : undefined,
  }
}

const BYTES_MAX = 65_535

/** Why nobody who is called so can be given rules. */
export function nameFault(name: string): 'nameMissing' | 'nameForm' | null {
  if (name === '') return 'nameMissing'
  // No address of the API can carry the two.
  return name === '.' || name === '..' || name.includes('\0') || new TextEncoder().encode(name).length > BYTES_MAX ? 'nameForm' : null
}

export function actionWord(action: Action): string {
  return t(action === 'all' ? 'authz.both' : `authz.${action}`)
}

export function qosWord(qos: readonly number[] | undefined): string {
  return qos === undefined || ANY_QOS.every((one) => qos.includes(one)) ? t('authz.anyQos') : qos.join(', ')
}

export function retainWord(rule: Rule): string {
  const retain = retainOf(rule.retain)
  return t(retain === 'all' ? 'authz.retainAny' : retain === 'true' ? 'authz.retainOnly' : 'authz.retainNot')
}

/** A rule in one line. */
export function inShort(rule: Rule): string {
  return `${t(`authz.${rule.permission}`)} ${actionWord(rule.action)} ${rule.topic}`
}

export interface Row {
  /** From 1. */
  readonly number: number
  readonly rule: Rule
}

export function columns(): Column<Row>[] {
  return [
    { key: 'number', title: t('authz.number'), numeric: true, text: (r) => String(r.number) },
    { key: 'permission', title: t('authz.permission'), text: (r) => t(`authz.${r.rule.permission}`) },
    { key: 'action', title: t('authz.action'), text: (r) => actionWord(r.rule.action) },
    { key: 'topic', title: t('authz.topic'), long: true, text: (r) => r.rule.topic },
    { key: 'qos', title: t('authz.qos'), text: (r) => qosWord(r.rule.qos) },
    { key: 'retain', title: t('authz.retain'), text: (r) => retainWord(r.rule) },
  ]
}

/** Of an owner, so many rules are told. */
const TOLD = 3

export function ownerColumns(of: 'users' | 'clients'): Column<Owned>[] {
  const summary = ({ rules }: Owned) => `${rules.slice(0, TOLD).map(inShort).join('; ')}${rules.length > TOLD ? '; …' : ''}`
  return [
    { key: 'name', title: t(of === 'users' ? 'authz.user' : 'authz.client'), by: (o) => o.name, text: (o) => o.name },
    { key: 'count', title: t('authz.count'), numeric: true, by: (o) => o.rules.length, text: (o) => count(o.rules.length) },
    { key: 'summary', title: t('authz.summary'), long: true, text: summary },
  ]
}

export function ownerTitle({ of, name }: Owner): string {
  if (of === 'all') return t('authz.ofAll')
  return t(of === 'users' ? 'authz.ofUser' : 'authz.ofClient', { name })
}
