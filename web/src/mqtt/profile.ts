// How a client of this page connects. Profiles are kept in this browser; passwords in them only where
// that is wanted.
export type Version = 4 | 5

export interface Will {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface Profile {
  readonly id: string
  name: string
  clientId: string
  version: Version
  keepAlive: number
  clean: boolean
  /** Seconds a session outlives its connection; version 5 only. */
  sessionExpiry: number
  /** As a test of such a user; empty: as whoever is signed in here. */
  username: string
  password: string
  will: Will | null
}

const KEPT = 'ternmq-profiles'
const FORM = 'ternmq-profiles-1'

export function generatedId(): string {
  const random = crypto.getRandomValues(new Uint8Array(4))
  return `web_${[...random].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export function freshProfile(name: string, clientId = generatedId()): Profile {
  return {
    id: generatedId(),
    name,
    clientId,
    version: 5,
    keepAlive: 60,
    clean: true,
    sessionExpiry: 0,
    username: '',
    password: '',
    will: null,
  }
}

/** What is kept; what no longer reads as a profile is left out. */
export function recalled(text: string | null): Profile[] {
  return text === null ? [] : (parsed(text) ?? [])
}

export function keptProfiles(): Profile[] {
  return recalled(localStorage.getItem(KEPT))
}

export function keepProfiles(profiles: readonly Profile[]): void {
  localStorage.setItem(KEPT, exported(profiles, true))
}

/** As a file; passwords go along only where the file stays in this browser. */
export function exported(profiles: readonly Profile[], withPasswords = false): string {
  const told = profiles.map((profile) => (withPasswords ? profile : { ...profile, password: '' }))
  return JSON.stringify({ form: FORM, profiles: told }, null, 2)
}

/** Profiles of a file; `null` if it is none of ours. */
export function parsed(text: string): Profile[] | null {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof file !== 'object' || file === null || !('form' in file) || file.form !== FORM) return null
  if (!('profiles' in file) || !Array.isArray(file.profiles)) return null
  return file.profiles.flatMap((one: unknown) => profileOf(one) ?? [])
}

function profileOf(one: unknown): Profile | null {
  if (typeof one !== 'object' || one === null) return null
  const fresh = freshProfile('')
  const given = one as Record<string, unknown>
  const taken: Record<string, unknown> = { ...fresh }
  for (const key of Object.keys(fresh)) {
    if (key === 'will') taken.will = willOf(given.will)
    else if (typeof given[key] === typeof taken[key]) taken[key] = given[key]
  }
  const profile = taken as unknown as Profile
  return profile.name === '' ? null : { ...profile, version: profile.version === 4 ? 4 : 5 }
}

function willOf(one: unknown): Will | null {
  if (typeof one !== 'object' || one === null) return null
  const { topic, payload, qos, retain } = one as Record<string, unknown>
  if (typeof topic !== 'string' || typeof payload !== 'string') return null
  return { topic, payload, qos: qos === 1 || qos === 2 ? qos : 0, retain: retain === true }
}
