// Which part of the menu a page belongs to.
import { MENU, type Section } from './router'

/** Whether a page is an entry's, or below it, as a client's is below the list of clients. */
export function isBelow(path: string, entry: string): boolean {
  return path === entry || (entry !== '/' && path.startsWith(`${entry}/`))
}

export function sectionOf(path: string): Section | undefined {
  return MENU.find((section) => section.entries.some((entry) => isBelow(path, entry.path)))
}

/** Where a section's own name leads: its first page. */
export function door(section: Section): string {
  return section.entries[0]?.path ?? '/'
}
