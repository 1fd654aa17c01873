// Where clients are told to connect: the address that the browser came by, because that one works; on the
// machine itself those by which others reach it.
import { api, body, type Answer } from '@/api'

export type MachineAddress = Answer<'/api/v5/addresses'>[number]
type Listener = Answer<'/api/v5/listeners'>[number]

export interface Place {
  /** Ready for an address: IPv6 in brackets. */
  readonly hosts: readonly Host[]
  /** Of MQTT over TCP; null if no such listener runs. */
  readonly port: number | null
  /** Nobody needs a name. */
  readonly isOpen: boolean
}

export interface Host {
  readonly host: string
  readonly leads: MachineAddress['leads'] | 'browser'
  readonly via: string
}

export async function findPlace(signal?: AbortSignal): Promise<Place> {
  const [listeners, anonymous] = await Promise.all([
    body(api.GET('/api/v5/listeners', { signal: signal ?? null })),
    body(api.GET('/api/v5/settings/{key}', { params: { path: { key: 'mqtt.allow_anonymous' } }, signal: signal ?? null })),
  ])
  const tcp = listeners.find((one) => one.type === 'tcp' && one.status.running)
  const own = location.hostname
  const addresses = isLoopback(own) ? await body(api.GET('/api/v5/addresses', { signal: signal ?? null })) : []
  return { hosts: hosts(own, addresses, tcp), port: tcp === undefined ? null : bound(tcp).port, isOpen: anonymous.value !== false }
}

export function hosts(own: string, addresses: readonly MachineAddress[], tcp: Pick<Listener, 'bind'> | undefined): Host[] {
  const only = tcp === undefined ? '' : bound(tcp).host
  // A listener on one address is reached by no other.
  if (only !== '' && !isAny(only)) return [{ host: only, leads: isLoopback(only) ? 'loopback' : 'lan', via: '' }]
  if (addresses.length === 0) return [{ host: own, leads: 'browser', via: '' }]
  return addresses.map((one) => ({
    host: one.address.includes(':') ? `[${one.address}]` : one.address,
    leads: one.leads,
    via: one.interface,
  }))
}

function bound(listener: Pick<Listener, 'bind'>): { host: string; port: number } {
  const at = listener.bind.lastIndexOf(':')
  return { host: listener.bind.slice(0, Math.max(0, at)), port: Number(listener.bind.slice(at + 1)) }
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '[::]'
}

/** This page at another address of the same machine. */
export function dashboardAt(host: string): string {
  const address = new URL(location.origin)
  address.hostname = host
  return address.href
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || host.startsWith('127.')
}
