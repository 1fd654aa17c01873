// A listener as it is typed, what is checked before it is sent, and how it is sent.
import { api, body } from '@/api'
import { faultOf, items, valueOf, type Fault, type Form } from '@/pages/settings/form'
import { t } from '@/words'

import { ruleFault, rulesOf, written } from './access-rule'
import { isTls, isWeb, type Full, type Type } from './listener'

export const RATES = ['max_conn_rate', 'messages_rate', 'bytes_rate', 'total_messages_rate', 'total_bytes_rate'] as const
export type Rate = (typeof RATES)[number]

function ofRates<T>(value: (rate: Rate) => T): Record<Rate, T> {
  return Object.fromEntries(RATES.map((rate) => [rate, value(rate)])) as Record<Rate, T>
}

const VERSIONS = { both: ['tlsv1.3', 'tlsv1.2'], new: ['tlsv1.3'], old: ['tlsv1.2'] } as const

/** What has a limit is empty without one. */
export interface Draft {
  type: Type
  name: string
  bind: string
  max: string
  /** Whom it takes by address, a rule a line; empty for everybody. */
  rules: string
  origins: string
  enable: boolean
  mountpoint: string
  /** Authenticators that are asked: all, none, or those of the list. */
  asks: 'all' | 'some' | 'none'
  authenticators: string[]
  rates: Record<Rate, string>
  tls: TlsDraft
  proxy: ProxyDraft
}

/** Files are paths on the broker's machine; empty for none. */
export interface TlsDraft {
  cert: string
  key: string
  /** Whether clients show a certificate. */
  clients: 'none' | 'may' | 'must'
  ca: string
  /** Revocation lists. */
  crl: string
  /** Further certificates, by host name. */
  folder: string
  versions: keyof typeof VERSIONS
  handshake: string
}

/** How a proxy in front tells where clients come from. */
export interface ProxyDraft {
  header: boolean
  /** `X-Forwarded-For`; WebSocket only. */
  forwarded: boolean
  /** Where proxies are, besides near. */
  networks: string
}

export const BLANK: Draft = {
  type: 'tcp',
  name: '',
  bind: '',
  max: '',
  rules: '',
  origins: '',
  enable: true,
  mountpoint: '',
  asks: 'all',
  authenticators: [],
  rates: ofRates(() => ''),
  tls: { cert: '', key: '', clients: 'none', ca: '', crl: '', folder: '', versions: 'both', handshake: '10s' },
  proxy: { header: false, forwarded: false, networks: '' },
}

/** A listener with what is set of it, also where the path of listeners does not say it. */
export interface Known {
  readonly full: Full
  readonly type: Type
  readonly name: string
  /** Every address that is asked for, as it is typed. */
  readonly bind: string
}

export async function loadListener(id: string, signal: AbortSignal | null = null): Promise<Known> {
  const [type, name] = id.split(':') as [Type, string]
  const [full, bind] = await Promise.all([
    body(api.GET('/api/v5/listeners/{id}', { params: { path: { id } }, signal })),
    body(api.GET('/api/v5/settings/{key}', { params: { path: { key: `listeners.${type}.${name}.bind` } }, signal })),
  ])
  const all = Array.isArray(bind.value) ? bind.value.map(String) : [String(bind.value)]
  return { full, type, name, bind: all.join(', ') }
}

export function draftOf({ full, type, name, bind }: Known): Draft {
  const limit = (value: string | number) => (value === 'infinity' ? '' : String(value))
  const rules = full.access_rules
  return {
    type,
    name,
    bind,
    max: limit(full.max_connections),
    // Rules that refuse nobody say no more than none.
    rules: rules.every((rule) => rule === 'allow all') ? '' : rules.join('\n'),
    origins: (full.allowed_origins ?? []).join('\n'),
    enable: full.enable,
    mountpoint: full.mountpoint,
    asks: !full.enable_authn ? 'none' : full.authenticators ? 'some' : 'all',
    authenticators: full.authenticators ?? [],
    rates: ofRates((rate) => limit(full[rate])),
    tls: tlsOf(full.ssl_options),
    proxy: { header: full.proxy_protocol, forwarded: full.forwarded_for ?? false, networks: full.proxy_networks.join('\n') },
  }
}

function tlsOf(options: Full['ssl_options']): TlsDraft {
  if (!options) return { ...BLANK.tls }
  const [first, ...others] = options.versions
  return {
    cert: options.certfile ?? '',
    key: options.keyfile ?? '',
    clients: options.verify !== 'verify_peer' ? 'none' : options.fail_if_no_peer_cert ? 'must' : 'may',
    ca: options.cacertfile ?? '',
    crl: options.crlfile ?? '',
    folder: options.certdir ?? '',
    versions: others.length > 0 ? 'both' : first === 'tlsv1.3' ? 'new' : 'old',
    handshake: options.handshake_timeout,
  }
}

const BIND: Form = { kind: 'list', of: 'bind' }
const ORIGIN: Form = { kind: 'list', of: 'origin' }
const NETWORK: Form = { kind: 'list', of: 'network' }
const MOST: Form = { kind: 'whole', none: false, min: '1', max: '100000000' }
const HANDSHAKE: Form = { kind: 'time', none: false, min: '100ms', max: '5m' }

const RATE_EXAMPLES = { whole: '1000/s', size: '1MB/s' } as const

function measureOf(rate: Rate): keyof typeof RATE_EXAMPLES {
  return rate.includes('bytes') ? 'size' : 'whole'
}

export function settingsOf(draft: Draft) {
  const rules = rulesOf(draft.rules).map(written)
  return {
    // A list is taken, too, though the document's type is a text.
    bind: valueOf(BIND, draft.bind) as string,
    enable: draft.enable,
    max_connections: draft.max.trim() === '' ? ('infinity' as const) : Number(draft.max),
    access_rules: rules.length === 0 ? ['allow all'] : rules,
    mountpoint: draft.mountpoint,
    enable_authn: draft.asks !== 'none',
    authenticators: draft.asks === 'some' ? draft.authenticators : null,
    proxy_protocol: draft.proxy.header,
    proxy_networks: items(draft.proxy.networks),
    ...ofRates((rate) => draft.rates[rate].trim() || 'infinity'),
    ...(isWeb(draft.type) ? { allowed_origins: items(draft.origins), forwarded_for: draft.proxy.forwarded } : {}),
    // The document says that it is an object, and not of what.
    ...(isTls(draft.type) ? { ssl_options: sslOf(draft.tls) as never } : {}),
  }
}

function sslOf(tls: TlsDraft): Record<string, unknown> {
  const path = (text: string) => (text.trim() === '' ? null : text.trim())
  return {
    certfile: path(tls.cert),
    keyfile: path(tls.key),
    cacertfile: path(tls.ca),
    verify: tls.clients === 'none' ? 'verify_none' : 'verify_peer',
    fail_if_no_peer_cert: tls.clients === 'must',
    crlfile: path(tls.crl),
    certdir: path(tls.folder),
    versions: VERSIONS[tls.versions],
    handshake_timeout: tls.handshake.trim(),
  }
}

export async function addListener(draft: Draft): Promise<void> {
  await api.POST('/api/v5/listeners', { body: { type: draft.type, name: draft.name, ...settingsOf(draft) } })
}

export async function changeListener(draft: Draft): Promise<void> {
  const id = `${draft.type}:${draft.name}`
  await api.PUT('/api/v5/listeners/{id}', { params: { path: { id } }, body: settingsOf(draft) })
}

export type Field = 'name' | 'bind' | 'max' | 'rules' | 'origins' | 'key' | 'ca' | 'mountpoint' | 'authenticators' | 'networks' | 'handshake' | Rate
export type Faults = Partial<Record<Field, string | undefined>>

export function faultsOf(draft: Draft): Faults {
  const bind = faultOf(BIND, draft.bind)
  const name = draft.name === '' ? t('listeners.nameMissing') : t('listeners.nameForm')
  return {
    name: /^[A-Za-z0-9_-]{1,64}$/.test(draft.name) ? undefined : name,
    bind: bind.fault === null ? undefined : bind.fault === 'empty' ? t('listeners.bindMissing') : t('listeners.bindForm', { part: bind.part }),
    max: draft.max.trim() === '' ? undefined : unless(faultOf(MOST, draft.max).fault, t('listeners.maxForm')),
    rules: rulesFault(draft.rules),
    origins: isWeb(draft.type) ? partFault(ORIGIN, draft.origins, 'listeners.originForm') : undefined,
    mountpoint: isMountpoint(draft.mountpoint) ? undefined : t('listeners.mountpointForm'),
    authenticators: draft.asks === 'some' && draft.authenticators.length === 0 ? t('listeners.asksMissing') : undefined,
    networks: partFault(NETWORK, draft.proxy.networks, 'listeners.proxiesForm'),
    ...(isTls(draft.type) ? tlsFaults(draft.tls) : {}),
    ...ofRates((rate) => rateFault(rate, draft.rates[rate].trim())),
  }
}

function tlsFaults({ cert, key, clients, ca, handshake }: TlsDraft): Faults {
  const isPair = (cert.trim() === '') === (key.trim() === '')
  return {
    key: isPair ? undefined : t('listeners.keyMissing'),
    ca: clients === 'none' || ca.trim() !== '' ? undefined : t('listeners.caMissing'),
    handshake: unless(faultOf(HANDSHAKE, handshake).fault, t('listeners.handshakeForm')),
  }
}

function rateFault(rate: Rate, typed: string): string | undefined {
  const form: Form = { kind: 'rate', none: false, of: measureOf(rate) }
  return typed === '' ? undefined : unless(faultOf(form, typed).fault, t('listeners.rateForm', { example: RATE_EXAMPLES[measureOf(rate)] }))
}

function unless(fault: Fault, words: string): string | undefined {
  return fault === null ? undefined : words
}

function partFault(form: Form, typed: string, words: 'listeners.originForm' | 'listeners.proxiesForm'): string | undefined {
  const { fault, part } = faultOf(form, typed)
  return unless(fault, t(words, { part }))
}

function rulesFault(typed: string): string | undefined {
  const fault = ruleFault(typed)
  return fault === null ? undefined : t(fault.of === 'word' ? 'listeners.rulesWord' : 'listeners.rulesWhom', { n: fault.number, part: fault.part })
}

const MOUNTPOINT_MAX = 1024

/** The beginning of a topic, no wildcard in it, and no place but two. */
function isMountpoint(text: string): boolean {
  const plain = text.replaceAll('${clientid}', '').replaceAll('${username}', '')
  return new TextEncoder().encode(text).length <= MOUNTPOINT_MAX && [...plain].every((letter) => !'+#${}\0'.includes(letter))
}

/** Whether something is set that few set. */
export function hasRare(draft: Draft): boolean {
  const { tls, proxy } = draft
  const limited = RATES.some((rate) => draft.rates[rate] !== '')
  const secured = isTls(draft.type) && (tls.folder !== '' || tls.versions !== BLANK.tls.versions || tls.handshake !== BLANK.tls.handshake)
  return draft.mountpoint !== '' || draft.asks !== 'all' || limited || proxy.header || proxy.forwarded || proxy.networks !== '' || secured
}

/** A command for where the file of the broker's own authority was saved. */
export function tryCommand(draft: Pick<Draft, 'type' | 'bind'>, host: string): string {
  const port = /\d+$/.exec((draft.bind.split(',')[0] ?? '').trim())?.[0] ?? ''
  const trusts = '--cafile ternmq-ca.pem'
  // mosquitto's programs speak no WebSocket.
  if (isWeb(draft.type)) return `ternmq sub -L wss://${host}:${port}/test ${trusts} -v`
  return `mosquitto_sub -h ${host.replace(/^\[|\]$/g, '')} -p ${port} ${trusts} -t test -v`
}
