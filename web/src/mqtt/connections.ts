// The connections of this page. They live as long as the page, whatever part of it is shown.
import { shallowReactive, shallowRef } from 'vue'

import { Connection, type Credentials } from './connection'
import { freshProfile, keepProfiles, keptProfiles, type Profile } from './profile'

export const profiles = shallowRef<readonly Profile[]>(keptProfiles())
const open = shallowReactive(new Map<string, Connection>())

/** The first profile is called as the tutorial's client, so that its reader finds it. */
export const FIRST_ID = 'MQTT_FX_Client1'

export function firstProfile(name: string): Profile {
  return freshProfile(name, FIRST_ID)
}

export function save(profile: Profile): void {
  const others = profiles.value.filter((one) => one.id !== profile.id)
  const at = profiles.value.findIndex((one) => one.id === profile.id)
  others.splice(at < 0 ? others.length : at, 0, profile)
  keep(others)
  const connection = open.get(profile.id)
  // What was changed counts from the next connection on.
  if (connection && connection.view.state === 'idle') open.delete(profile.id)
}

export function add(many: readonly Profile[]): void {
  keep([...profiles.value, ...many.map((one) => ({ ...one, id: freshProfile('').id }))])
}

export function remove(id: string): void {
  open.get(id)?.disconnect()
  open.delete(id)
  keep(profiles.value.filter((one) => one.id !== id))
}

function keep(all: readonly Profile[]): void {
  profiles.value = all
  keepProfiles(all)
}

/** The connection of a profile, made when it is first looked at. */
export function connectionOf(profile: Profile, credentials: (profile: Profile) => Promise<Credentials>): Connection {
  const known = open.get(profile.id)
  if (known) return known
  const made = new Connection(profile, () => credentials(profile))
  open.set(profile.id, made)
  return made
}

export function stateOf(id: string): Connection['view']['state'] {
  return open.get(id)?.view.state ?? 'idle'
}
