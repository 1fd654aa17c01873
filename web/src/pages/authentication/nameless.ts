// Clients without a user name: whether they may connect, and which of them are here.
import { api, body } from '@/api'
import { address } from '@/pages/clients/client'
import { changeSetting } from '@/pages/settings/setting'

const KEY = 'mqtt.allow_anonymous'
/** Of those who are connected, so many are named. */
const NAMED = 100

export interface Nameless {
  readonly allowed: boolean
  /** A flag or the environment decides it. */
  readonly locked: boolean
  /** Connected now, who have not proven who they are. */
  readonly here: number
  readonly some: readonly Here[]
}

export interface Here {
  readonly id: string
  /** Where it comes from. */
  readonly address: string
}

export type Fate = 'refuse' | 'keep'

export async function loadNameless(signal?: AbortSignal): Promise<Nameless> {
  const query = { anonymous: true, conn_state: 'connected' as const, limit: NAMED }
  const [setting, page] = await Promise.all([
    body(api.GET('/api/v5/settings/{key}', { params: { path: { key: KEY } }, signal: signal ?? null })),
    body(api.GET('/api/v5/clients', { params: { query }, signal: signal ?? null })),
  ])
  return {
    allowed: setting.value === true,
    locked: Boolean(setting.read_only),
    here: page.meta.count ?? page.data.length,
    some: page.data.map((client) => ({ id: client.clientid, address: address(client) })),
  }
}

export function allowNameless(allowed: boolean): Promise<void> {
  return changeSetting(KEY, allowed)
}

/** Whether somebody has to say what becomes of them. */
export function isOpenQuestion(now: Nameless | null): boolean {
  return now !== null && now.allowed && !now.locked
}
