// Bans as the API gives them, what is checked before one is made, and how a list shows them.
import { api, body, type Answer } from '@/api'
import { isAddress, isNetwork } from '@/design/address'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { t, type Key } from '@/words'
import { moment } from '@/words/format'

export type Ban = Answer<'/api/v5/banned'>['data'][number]
export type As = Ban['as']

/** The kinds, the usual first: its name, and what to write for it. */
export const KINDS: readonly { readonly as: As; readonly title: Key; readonly hint: Key }[] = [
  { as: 'clientid', title: 'bans.byId', hint: 'bans.hintId' },
  { as: 'username', title: 'bans.byUser', hint: 'bans.hintUser' },
  { as: 'peerhost', title: 'bans.byAddress', hint: 'bans.hintAddress' },
  { as: 'peerhost_net', title: 'bans.byNetwork', hint: 'bans.hintNetwork' },
  { as: 'clientid_re', title: 'bans.byIdPattern', hint: 'bans.hintPattern' },
  { as: 'username_re', title: 'bans.byUserPattern', hint: 'bans.hintPattern' },
]

export function kindOf(as: As): (typeof KINDS)[number] {
  return KINDS.find((kind) => kind.as === as) ?? { as, title: 'bans.byId', hint: 'bans.hintId' }
}

/** Seconds that are offered for a ban. */
export const BAN_SPANS = [600, 3600, 86_400, 7 * 86_400, 30 * 86_400]

export interface Search {
  readonly text: string
  readonly by: 'like_clientid' | 'like_username' | 'like_peerhost' | 'like_peerhost_net'
}

export function listBans(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Page<Ban>> {
  const query = { page, limit, ...(search.text === '' ? {} : { [search.by]: search.text }) }
  return body(api.GET('/api/v5/banned', { params: { query }, signal: signal ?? null }))
}

export interface NewBan {
  readonly as: As
  readonly who: string
  readonly reason: string
  /** A time, or `infinity`. */
  readonly until: string
}

export async function addBan(ban: NewBan): Promise<void> {
  await api.POST('/api/v5/banned', { body: ban })
}

export async function liftBans(bans: readonly Pick<Ban, 'as' | 'who'>[]): Promise<void> {
  for (const { as, who } of bans) await api.DELETE('/api/v5/banned/{as}/{who}', { params: { path: { as, who } } })
}

/** Why somebody written so cannot be banned. */
export function whoFault(as: As, who: string): 'whoMissing' | 'noAddress' | 'noNetwork' | 'noPattern' | null {
  if (who === '') return 'whoMissing'
  if (as === 'peerhost') return isAddress(who) ? null : 'noAddress'
  if (as === 'peerhost_net') return isNetwork(who) ? null : 'noNetwork'
  return as.endsWith('_re') && !isPattern(who) ? 'noPattern' : null
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u')
    return true
  } catch {
    return false
  }
}

/** As the broker names itself, and its reason, where it banned somebody by itself. */
const DETECTOR = 'flapping detector'
const DETECTED = 'flapping is detected'

export function whose(ban: Pick<Ban, 'by'>): string {
  return ban.by === DETECTOR ? t('flapping.detector') : ban.by
}

export function reasonOf(ban: Pick<Ban, 'by' | 'reason'>): string {
  return ban.by === DETECTOR && ban.reason === DETECTED ? t('flapping.reason') : ban.reason
}

/** What tells a ban from all others. */
export function keyOf(ban: Pick<Ban, 'as' | 'who'>): string {
  return JSON.stringify([ban.as, ban.who])
}

export function fromKey(key: string): Pick<Ban, 'as' | 'who'> {
  const [as, who] = JSON.parse(key) as [As, string]
  return { as, who }
}

export function columns(): Column<Ban>[] {
  const end = (ban: Ban) => (ban.until === 'infinity' ? Number.MAX_SAFE_INTEGER : Date.parse(ban.until))
  return [
    { key: 'as', title: t('bans.as'), by: (b) => t(kindOf(b.as).title), text: (b) => t(kindOf(b.as).title) },
    { key: 'who', title: t('bans.who'), by: (b) => b.who, text: (b) => b.who },
    { key: 'reason', title: t('bans.reason'), by: reasonOf, long: true, text: reasonOf },
    { key: 'by', title: t('bans.by'), by: whose, text: whose },
    { key: 'at', title: t('bans.from'), by: (b) => Date.parse(b.at), text: (b) => moment(Date.parse(b.at)) },
    { key: 'until', title: t('bans.until'), by: end, text: (b) => (b.until === 'infinity' ? t('until.ever') : moment(Date.parse(b.until))) },
  ]
}
