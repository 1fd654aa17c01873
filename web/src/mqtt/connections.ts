// The connections of this page. They live as long as the page, whatever part of it is shown.
import { computed, shallowReactive, shallowRef } from 'vue'

import { Connection, type Credentials, type State } from './connection'
import { freshProfile, type Profile, type Wish } from './profile'
import { exported, parsed } from './profile-file'

const KEPT = 'ternmq-profiles'

export const profiles = shallowRef<readonly Profile[]>(parsed(localStorage.getItem(KEPT) ?? '') ?? [])
const open = shallowReactive(new Map<string, Connection>())

/** Those that are connected or try to be, in the order of the profiles. */
export const busy = computed(() => profiles.value.filter((one) => stateOf(one.id) !== 'idle'))

export function stateOf(id: string): State {
  return open.get(id)?.view.state ?? 'idle'
}

/** The first profile is called as the tutorial's client, so that its reader finds it. */
export function firstProfile(name: string): Profile {
  return freshProfile(name, 'MQTT_FX_Client1')
}

export function save(profile: Profile): void {
  const isKnown = profiles.value.some((one) => one.id === profile.id)
  keep(isKnown ? profiles.value.map((one) => (one.id === profile.id ? profile : one)) : [...profiles.value, profile])
  // What was changed counts from the next connection on.
  if (stateOf(profile.id) === 'idle') open.delete(profile.id)
}

/** As new ones, whatever ids they had. */
export function add(many: readonly Profile[]): void {
  keep([...profiles.value, ...many.map((one) => ({ ...one, id: freshProfile('').id }))])
}

export function remove(id: string): void {
  open.get(id)?.disconnect()
  open.delete(id)
  keep(profiles.value.filter((one) => one.id !== id))
}

function remember(id: string, subscriptions: readonly Wish[]): void {
  keep(profiles.value.map((one) => (one.id === id ? { ...one, subscriptions } : one)))
}

function keep(all: readonly Profile[]): void {
  profiles.value = all
  localStorage.setItem(KEPT, exported(all, true))
}

/** The connection of a profile, made when it is first looked at. */
export function connectionOf(profile: Profile, credentials: (profile: Profile) => Promise<Credentials>): Connection {
  const known = open.get(profile.id)
  if (known) return known
  const made = new Connection(profile, () => credentials(profile), (wishes) => remember(profile.id, wishes))
  open.set(profile.id, made)
  return made
}
