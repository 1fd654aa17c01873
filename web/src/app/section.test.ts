import { expect, it } from 'vitest'

import { MENU } from './router'
import { door, sectionOf } from './section'

it('finds the section of every page of the menu', () => {
  for (const section of MENU) {
    for (const entry of section.entries) expect(sectionOf(entry.path), entry.path).toBe(section)
    expect(sectionOf(door(section))).toBe(section)
  }
})

it('puts what is below a page where that page is', () => {
  expect(sectionOf('/clients/detail')?.title).toBe('menu.clients')
  expect(sectionOf('/clientsX')).toBeUndefined()
  expect(sectionOf('/nowhere')).toBeUndefined()
})
