// The keys of the whole page. A page with keys of its own lists them here, so that `?` tells all of them.
import { MENU } from './router'
import { door } from './section'

import type { Key } from '@/words'

export interface Shortcut {
  /** As they are written on keyboards, one after the other. */
  readonly keys: readonly string[]
  readonly what: Key
}

/** After `g`, the section to go to. */
const SECTIONS = ['o', 'c', 't', 'd', 'a', 's', 'y'] as const

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ['Ctrl K', '⌘ K', '/'], what: 'shortcut.palette' },
  { keys: ['?'], what: 'shortcut.list' },
  ...MENU.map((section, at): Shortcut => ({ keys: [`g ${SECTIONS[at] ?? ''}`], what: section.title })),
  { keys: ['F'], what: 'wall.key' },
  { keys: ['Esc'], what: 'shortcut.close' },
]

export type Pressed = { readonly do: 'palette' } | { readonly do: 'keys' } | { readonly do: 'wait' } | { readonly do: 'go'; readonly path: string }

export interface Press {
  readonly key: string
  readonly ctrl: boolean
  readonly alt: boolean
  /** Into a field, where single keys are text. */
  readonly isTyping: boolean
  /** `g` came just before. */
  readonly afterG: boolean
}

/** What a key does; null if it is not ours. */
export function meaning(press: Press): Pressed | null {
  if (press.ctrl) return press.key.toLowerCase() === 'k' ? { do: 'palette' } : null
  if (press.alt || press.isTyping) return null
  if (press.afterG) {
    const section = MENU[SECTIONS.findIndex((letter) => letter === press.key)]
    return section === undefined ? null : { do: 'go', path: door(section) }
  }
  if (press.key === '/') return { do: 'palette' }
  if (press.key === '?') return { do: 'keys' }
  return press.key === 'g' ? { do: 'wait' } : null
}
