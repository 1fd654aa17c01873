// Which part of the menu a page belongs to.
import { MENU, type Section } from './router'

/** The section of a path: a page below another, such as a client's, belongs where that one does. */
export function sectionOf(path: string): Section | undefined {
  const owns = (entry: string) => path === entry || (entry !== '/' && path.startsWith(`${entry}/`))
  return MENU.find((section) => section.entries.some((entry) => owns(entry.path)))
}

/** Where a section's own name leads: its first page. */
export function door(section: Section): string {
  return section.entries[0]?.path ?? '/'
}
