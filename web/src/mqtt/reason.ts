// Why something did not happen, kept as what it is and told in the language of whoever reads it.
import { Failure, tell } from '@/api/failure'
import { maybe, t } from '@/words'

import type { Version } from './profile'

export type Refusal =
  /** The broker answered with a reason code, or in 3.1.1 with a return code. */
  | { readonly kind: 'code'; readonly code: number; readonly version: Version }
  /** The broker said DISCONNECT. */
  | { readonly kind: 'ended'; readonly code: number }
  /** No answer came in time, the connection went, or what was asked for is not there. */
  | { readonly kind: 'timeout' | 'closed' | 'offline' | 'silent' }
  /** There was no ticket to connect with. */
  | { readonly kind: 'api'; readonly error: Failure }
  | { readonly kind: 'other'; readonly text: string }

/** The return codes of 3.1.1 in those of 5. */
const RETURN_CODES: Record<number, number> = { 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87 }

/** A code as clients show it, with its words. */
export function codeTold(code: number, version: Version = 5): string {
  const known = maybe(`reason.x${two(version === 4 ? (RETURN_CODES[code] ?? code) : code)}`)
  const shown = version === 4 && code < 0x80 ? `rc=${code}` : `0x${two(code)}`
  return known === undefined ? shown : `${known} (${shown})`
}

function two(code: number): string {
  return code.toString(16).padStart(2, '0')
}

export function refusalTold(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'code':
      return codeTold(refusal.code, refusal.version)
    case 'ended':
      return t('refusal.ended', { why: codeTold(refusal.code) })
    case 'api': {
      const { cause, remedy } = tell(refusal.error)
      return `${cause} ${remedy}`
    }
    case 'other':
      return refusal.text
    default:
      return t(`refusal.${refusal.kind}`)
  }
}

/** What the library says of a failure, by what it is. */
export function refusalOf(error: unknown, version: Version): Refusal {
  if (error instanceof Failure) return { kind: 'api', error }
  const { message, code } = error as { message?: string; code?: unknown }
  if (typeof code === 'number' && code > 0) return { kind: 'code', code, version }
  if (message === 'connack timeout') return { kind: 'timeout' }
  if (message === 'Keepalive timeout') return { kind: 'silent' }
  return { kind: 'other', text: message ?? String(error) }
}
