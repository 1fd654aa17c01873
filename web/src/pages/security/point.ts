// Points of the broker's security as the API gives them, and what is said of each.
import { api, body, type Answer } from '@/api'
import { maybe, t } from '@/words'
import { count } from '@/words/format'

export type Point = Answer<'/api/v5/security'>[number]
type Fact = Point['facts'][string]

export const SEVERITIES = ['danger', 'warning', 'fine'] as const
export type Severity = (typeof SEVERITIES)[number]

export function listPoints(signal?: AbortSignal): Promise<readonly Point[]> {
  return body(api.GET('/api/v5/security', { signal: signal ?? null }))
}

export async function putAside(id: string): Promise<void> {
  await api.PUT('/api/v5/security/{id}/aside', { params: { path: { id } } })
}

export async function takeBack(id: string): Promise<void> {
  await api.DELETE('/api/v5/security/{id}/aside', { params: { path: { id } } })
}

/** What is not known is worth a look. */
export function severityOf({ severity }: Point): Severity {
  return SEVERITIES.find((one) => one === severity) ?? 'warning'
}

/** Those of one kind that were not put aside, in the order in which they came. */
export function ofSeverity(points: readonly Point[], severity: Severity): readonly Point[] {
  return points.filter((point) => severityOf(point) === severity && !point.aside)
}

/** Those that somebody has put aside: they count nowhere. */
export function asideOf(points: readonly Point[]): readonly Point[] {
  return points.filter((point) => point.aside)
}

export function textsOf(point: Point, name: string): readonly string[] {
  const fact = point.facts[name]
  if (Array.isArray(fact)) return fact
  return typeof fact === 'string' ? [fact] : []
}

export function isSo(point: Point, name: string): boolean {
  return point.facts[name] === true
}

function written(fact: Fact | undefined): string {
  if (Array.isArray(fact)) return fact.join(', ')
  return typeof fact === 'number' ? count(fact) : String(fact ?? '')
}

export interface Told {
  readonly title: string
  readonly what: string
  /** Why it matters; empty where it is fine. */
  readonly why: string
}

export function told(point: Point): Told {
  const { id, facts } = point
  const values = Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, written(fact)]))
  if (id === 'readers') Object.assign(values, readersOf(point))
  const noMatch = maybe(`authz.${written(facts.no_match)}`) ?? ''
  const what = maybe(`security.${id}.${variantOf(point)}`, { ...values, noMatch, networks: written(facts.public_networks) })
  if (what === undefined) return { title: id, what: `${t('security.unknown')}: ${JSON.stringify(facts)}`, why: '' }
  return { title: maybe(`security.${id}.title`) ?? id, what, why: severityOf(point) === 'fine' ? '' : (maybe(`security.${id}.why`) ?? '') }
}

/** Clients with their users where these are known, and how many more there are. */
function readersOf(point: Point): Record<string, string> {
  const users = textsOf(point, 'users')
  const some = (names: readonly string[], all: unknown) => {
    const joined = names.join(', ')
    const more = Number(all) - names.length
    return more > 0 ? t('security.readers.more', { names: joined, n: count(more) }) : joined
  }
  return {
    clients: some(
      textsOf(point, 'clients').map((name, at) => (users[at] ? `${name} (${users[at]})` : name)),
      point.facts.count,
    ),
    anonymous: some(textsOf(point, 'anonymous'), point.facts.anonymous_count),
    may: t(isSo(point, 'anonymous_may') ? 'security.readers.may' : 'security.readers.mayNot'),
  }
}

/** Which of the sentences about a point is true. */
function variantOf(point: Point): string {
  if (severityOf(point) === 'fine') return fineOf(point)
  switch (point.id) {
    case 'anonymous':
      if (textsOf(point, 'public_networks').length > 0) return 'weakWide'
      return isSo(point, 'gateway_trusted') ? 'weakGateway' : 'weak'
    case 'public_address':
      return textsOf(point, 'listeners').length === 0 ? 'weakCame' : 'weak'
    case 'dashboard':
      return isSo(point, 'public') ? 'weakPublic' : 'weak'
    case 'certificate_ends':
    case 'revocation_list_ends':
      return Number(point.facts.days) <= 0 ? 'weakOver' : 'weak'
    case 'backup_age':
      return isSo(point, 'made') ? 'weak' : 'weakNone'
    default:
      return 'weak'
  }
}

function fineOf(point: Point): string {
  switch (point.id) {
    case 'readers':
      return Number(point.facts.count) > 0 ? 'fine' : 'fineNone'
    case 'backup_age':
      if (isSo(point, 'made')) return 'fine'
      return isSo(point, 'has_data') ? 'fineSoon' : 'fineNone'
    default:
      return 'fine'
  }
}
