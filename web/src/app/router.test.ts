import { expect, it } from 'vitest'

import pages from './pages.json'
import { MENU, router } from './router'

it('has the pages that the broker knows of', () => {
  const paths = router.getRoutes().map((route) => route.path)
  expect(paths.filter((path) => !path.includes(':')).sort()).toEqual(pages)
})

it('leads to pages that there are', () => {
  for (const entry of MENU.flatMap((section) => section.entries)) expect(pages).toContain(entry.path)
})
