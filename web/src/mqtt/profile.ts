// How a client of this page connects, and what it subscribes then.
import { type ConnectProperties, type MessageProperties, NO_CONNECT_PROPERTIES } from './properties'

/** 3.1.1 and 5.0, as CONNECT numbers them. */
export type Version = 4 | 5
export type Qos = 0 | 1 | 2

export interface Will {
  readonly topic: string
  readonly payload: string
  readonly encoding: 'text' | 'hex' | 'base64'
  readonly qos: Qos
  readonly retain: boolean
  /** Seconds between the end of the connection and the will; version 5. */
  readonly delaySecs: number
  readonly properties: MessageProperties
}

/** What is asked of the broker for one filter, and how its messages are shown. */
export interface Wish {
  readonly filter: string
  readonly qos: Qos
  readonly noLocal: boolean
  readonly asPublished: boolean
  readonly retainHandling: 0 | 1 | 2
  readonly identifier: number | null
  /** One of the colours of the list, by its place. */
  readonly colour: number
  readonly alias: string
  /** How its payloads are read in the list; empty: as they look. */
  readonly decoder: string
  readonly muted: boolean
}

export interface Profile {
  readonly id: string
  name: string
  /** Empty: in none. */
  folder: string
  clientId: string
  version: Version
  keepAlive: number
  clean: boolean
  connectSecs: number
  reconnects: boolean
  /** Seconds a session outlives its connection; version 5 only. */
  sessionExpiry: number
  /** As a test of such a user; empty: as whoever is signed in here. */
  username: string
  password: string
  properties: ConnectProperties
  will: Will | null
  subscriptions: readonly Wish[]
}

export function generatedId(): string {
  const random = crypto.getRandomValues(new Uint8Array(4))
  return `web_${[...random].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export function freshProfile(name: string, clientId = generatedId()): Profile {
  return {
    id: generatedId(),
    name,
    folder: '',
    clientId,
    version: 5,
    keepAlive: 60,
    clean: true,
    connectSecs: 10,
    reconnects: true,
    sessionExpiry: 0,
    username: '',
    password: '',
    properties: NO_CONNECT_PROPERTIES,
    will: null,
    subscriptions: [],
  }
}

export const FRESH_WISH: Wish = {
  filter: '',
  qos: 0,
  noLocal: false,
  asPublished: false,
  retainHandling: 0,
  identifier: null,
  colour: 0,
  alias: '',
  decoder: '',
  muted: false,
}

/** Profiles by folder, those in none first; within each in their own order. */
export function byFolder(profiles: readonly Profile[]): { readonly folder: string; readonly profiles: readonly Profile[] }[] {
  const folders = new Map<string, Profile[]>([['', []]])
  for (const one of profiles) folders.set(one.folder, [...(folders.get(one.folder) ?? []), one])
  return [...folders]
    .filter(([, inside]) => inside.length > 0)
    .sort(([a], [b]) => (a === '' ? -1 : b === '' ? 1 : a.localeCompare(b)))
    .map(([folder, inside]) => ({ folder, profiles: inside }))
}
