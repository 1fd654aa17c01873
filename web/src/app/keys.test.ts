import { expect, it } from 'vitest'

import { meaning, SHORTCUTS, type Press } from './keys'
import { MENU } from './router'

const press = (key: string, more: Partial<Press> = {}): Press => ({ key, ctrl: false, alt: false, isTyping: false, afterG: false, ...more })

it('finds the palette from everywhere', () => {
  expect(meaning(press('k', { ctrl: true, isTyping: true }))).toEqual({ do: 'palette' })
  expect(meaning(press('/'))).toEqual({ do: 'palette' })
  expect(meaning(press('?'))).toEqual({ do: 'keys' })
})

it('leaves text alone', () => {
  for (const key of ['/', '?', 'g', 'k']) expect(meaning(press(key, { isTyping: true })), key).toBeNull()
  expect(meaning(press('f', { ctrl: true }))).toBeNull()
  expect(meaning(press('/', { alt: true }))).toBeNull()
})

it('goes to sections in two steps', () => {
  expect(meaning(press('g'))).toEqual({ do: 'wait' })
  expect(meaning(press('c', { afterG: true }))).toEqual({ do: 'go', path: '/clients' })
  expect(meaning(press('z', { afterG: true }))).toBeNull()
  expect(meaning(press('c'))).toBeNull()
})

it('tells a key for each section', () => {
  expect(SHORTCUTS.filter((one) => one.keys[0]?.startsWith('g '))).toHaveLength(MENU.length)
  expect(SHORTCUTS.every((one) => one.keys.every((key) => key.trim() === key && key !== 'g'))).toBe(true)
})
