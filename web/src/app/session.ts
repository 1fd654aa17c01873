// Who is signed in. The token itself is in a cookie that no script can read.
import { computed, reactive, readonly } from 'vue'

export interface Person {
  readonly name: string
  readonly role: string
  readonly version: string
  /** Signed in with the default password, which may look and change nothing. */
  readonly mustSetPassword: boolean
}

const KEPT = 'ternmq-person'

/** `guest` is how a wall display comes in that was given a link: nobody is signed in there. */
const state = reactive({ person: recall(), expired: false, guest: null as string | null })

export const session = readonly(state)
export const isIn = computed(() => state.person !== null || state.guest !== null)
export const mayChange = computed(() => state.person?.role === 'administrator')

function recall(): Person | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? 'null')
    return isPerson(kept) ? kept : null
  } catch {
    return null
  }
}

function isPerson(kept: unknown): kept is Person {
  if (typeof kept !== 'object' || kept === null) return false
  const { name, role, version, mustSetPassword } = kept as Record<string, unknown>
  return [name, role, version].every((v) => typeof v === 'string') && typeof mustSetPassword === 'boolean'
}

export function enter(person: Person): void {
  state.person = person
  state.expired = false
  localStorage.setItem(KEPT, JSON.stringify(person))
}

/** `expired`: nobody asked for it. */
export function leave(why: 'asked' | 'expired'): void {
  if (state.person === null) return
  state.person = null
  state.expired = why === 'expired'
  localStorage.removeItem(KEPT)
}

/** For as long as this page is open. */
export function beGuest(key: string, secret: string): void {
  state.person = null
  state.guest = `Basic ${btoa(`${key}:${secret}`)}`
}
