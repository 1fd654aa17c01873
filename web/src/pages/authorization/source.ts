// Where rules come from, in which order, and what holds where no rule says anything.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { isRemote, REMOTES } from '@/pages/authentication/remote'
import { faultOf, spanOf, type Form } from '@/pages/settings/form'
import { maybe, t } from '@/words'
import { count } from '@/words/format'

export type Source = Answer<'/api/v5/authorization/sources'>['sources'][number]
export type Settings = Answer<'/api/v5/authorization/settings'>

/** Those that can be added here. */
export const KINDS = ['built_in_database', 'file', ...REMOTES] as const
export type Kind = (typeof KINDS)[number]
export const BUILT_IN: Kind = 'built_in_database'
export const FILE: Kind = 'file'

export async function listSources(signal?: AbortSignal): Promise<readonly Source[]> {
  return (await body(api.GET('/api/v5/authorization/sources', { signal: signal ?? null }))).sources
}

export function loadSettings(signal?: AbortSignal): Promise<Settings> {
  return body(api.GET('/api/v5/authorization/settings', { signal: signal ?? null }))
}

/** With what is not asked for as it is. */
export async function saveSettings(change: Partial<Settings>): Promise<void> {
  const now = await loadSettings()
  await api.PUT('/api/v5/authorization/settings', { body: { ...now, ...change } })
}

export async function addSource(source: Source): Promise<void> {
  await api.POST('/api/v5/authorization/sources', { body: source })
}

export async function changeSource(source: Source): Promise<void> {
  await api.PUT('/api/v5/authorization/sources/{type}', { params: { path: { type: source.type } }, body: source })
}

export async function deleteSource(source: Source): Promise<void> {
  await api.DELETE('/api/v5/authorization/sources/{type}', { params: { path: { type: source.type } } })
}

/** Up by -1, down by 1. */
export async function moveSource(source: Source, by: -1 | 1, all: readonly Source[]): Promise<void> {
  const beside = all[all.findIndex((other) => other.type === source.type) + by]
  if (beside === undefined) return
  const position = `${by < 0 ? 'before' : 'after'}:${beside.type}`
  await api.POST('/api/v5/authorization/sources/{type}/move', { params: { path: { type: source.type } }, body: { position } })
}

export function isOn(source: Source | undefined): boolean {
  return source !== undefined && (source.enable ?? true)
}

export function isBuiltInOn(sources: readonly Source[]): boolean {
  return isOn(sources.find(({ type }) => type === BUILT_IN))
}

/** Whether what a text says is asked before the rules that are edited one by one. */
export function isFileFirst(sources: readonly Source[]): boolean {
  const first = sources.find((source) => isOn(source) && (source.type === FILE || source.type === BUILT_IN))
  return first?.type === FILE
}

/** What is remembered of what sources elsewhere said, as the broker has it where nobody set it. */
export function cacheOf({ cache }: Settings): NonNullable<Settings['cache']> {
  return { enable: true, max_size: 32, ttl: '1m', excludes: [], ...cache }
}

export function cacheTold(settings: Settings): string {
  const { enable, max_size: n, ttl } = cacheOf(settings)
  return enable ? t('access.remembered', { n: count(n), ttl: spanOf(ttl) }) : t('access.notRemembered')
}

const SIZE: Form = { kind: 'whole', none: false, min: '1', max: '1000' }
const TTL: Form = { kind: 'time', none: false, min: '1s', max: '24h' }

export function cacheFaults(size: string, ttl: string): { size: string | undefined; ttl: string | undefined } {
  return {
    size: faultOf(SIZE, size).fault === null ? undefined : t('access.sizeForm'),
    // In one unit, as EMQX writes it.
    ttl: /^\d+(ms|s|m|h)$/.test(ttl.trim()) && faultOf(TTL, ttl).fault === null ? undefined : t('access.ttlForm'),
  }
}

export function sourceName(type: string): string {
  return maybe(`source.${type}`) ?? type
}

export interface Row {
  /** From 1. */
  readonly number: number
  readonly source: Source
}

export function columns(): Column<Row>[] {
  return [
    { key: 'number', title: t('authz.number'), numeric: true, text: (r) => String(r.number) },
    { key: 'name', title: t('source.name'), text: (r) => sourceName(r.source.type) },
    { key: 'what', title: t('authn.details'), long: true, text: (r) => (isRemote(r.source.type) ? (r.source.url ?? r.source.server ?? '') : (maybe(`source.${r.source.type}What`) ?? '')) },
    { key: 'state', title: t('source.state'), text: (r) => t(isOn(r.source) ? 'source.on' : 'source.off') },
  ]
}
