// "Set a password first": the one field that opens where a change was refused, and the change that goes
// on once it is set. Calls that are refused meanwhile wait for the same field.
import { reactive, readonly } from 'vue'

import { api } from '@/api'
import { alone } from '@/api/door'

import { enter, session } from './session'

/** With what `admin` signs in before a password was set: known to everybody, or of a link in the broker's log. */
let first = 'public'
const LINK = '#setup='

/** `isKnown`: everybody knows the first password. */
const state = reactive({ isAsked: false, isKnown: true })
export const password = readonly(state)

let waiting: ((set: boolean) => void)[] = []

/** Opens the field; true once a password was set, false if that was called off. */
export function askForPassword(): Promise<boolean> {
  state.isAsked = true
  return new Promise((done) => waiting.push(done))
}

export function callOff(): void {
  finish(false)
}

function finish(set: boolean): void {
  state.isAsked = false
  const all = waiting
  waiting = []
  for (const done of all) done(set)
}

export async function setFirstPassword(chosen: string): Promise<void> {
  await changeOwnPassword(first, chosen)
  finish(true)
}

/** Changes it and signs in with it, because all sessions end with the old one. */
export async function changeOwnPassword(old: string, chosen: string): Promise<void> {
  const name = session.person?.name ?? 'admin'
  await alone(async () => {
    await api.POST('/api/v5/users/{username}/change_pwd', {
      params: { path: { username: name } },
      body: { old_pwd: old, new_pwd: chosen },
    })
    await signIn(name, chosen)
  })
}

/** The secret of such a link, by what stands behind the path. */
export function secretOf(hash: string): string | null {
  return hash.startsWith(LINK) ? hash.slice(LINK.length) : null
}

/** Signs in by the link, and opens the field at once. */
export async function signInByLink(secret: string): Promise<void> {
  await signIn('admin', secret)
  first = secret
  state.isKnown = false
  await askForPassword()
}

export async function signIn(name: string, secret: string): Promise<void> {
  const { data } = await api.POST('/api/v5/login', { body: { username: name, password: secret } })
  if (data === undefined) throw new Error('signed in without an answer')
  enter({
    name,
    role: data.role,
    version: data.version,
    mustSetPassword: data.must_set_password,
  })
}

export async function signOut(name: string): Promise<void> {
  await api.POST('/api/v5/logout', { body: { username: name } })
}
