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

/** What is not known is worth a look. */
export function severityOf({ severity }: Point): Severity {
  return SEVERITIES.find((one) => one === severity) ?? 'warning'
}

/** Those of one kind, in the order in which they came. */
export function ofSeverity(points: readonly Point[], severity: Severity): readonly Point[] {
  return points.filter((point) => severityOf(point) === severity)
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
  const noMatch = maybe(`authz.${written(facts.no_match)}`) ?? ''
  const what = maybe(`security.${id}.${variantOf(point)}`, { ...values, noMatch, networks: written(facts.public_networks) })
  if (what === undefined) return { title: id, what: `${t('security.unknown')}: ${JSON.stringify(facts)}`, why: '' }
  return { title: maybe(`security.${id}.title`) ?? id, what, why: severityOf(point) === 'fine' ? '' : (maybe(`security.${id}.why`) ?? '') }
}

/** Which of the sentences about a point is true. */
function variantOf(point: Point): string {
  if (severityOf(point) === 'fine') return 'fine'
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
    default:
      return 'weak'
  }
}
