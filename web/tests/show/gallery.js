// Every page in one language, in both themes and three widths: nothing is wider than its window, no word is in
// another language, and a picture of each is left for somebody to look at.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { openPage, overflow, settled } from '../walk/browser.js'
import { strangeWords } from './strange.js'

const WIDTHS = [
  { width: 360, height: 740 },
  { width: 1366, height: 768 },
  { width: 2560, height: 1440 },
]
/** For what is drawn a moment after it came, as charts are; the overview's comes with the feed's next second. */
const DRAWN_MS = 250
const FED_MS = 1_500

/**
 * Gives what is wrong. Without the state of somebody who signed in there is the sign-in alone.
 * @param {import('playwright-core').Browser} browser @param {string} home
 * @param {{ lang: 'zh' | 'en', state?: Awaited<ReturnType<import('playwright-core').BrowserContext['storageState']>>, paths: readonly string[], folder: string }} what
 */
export async function gallery(browser, home, { lang, state, paths, folder }) {
  /** @type {string[]} */
  const wrong = []
  let pictures = 0
  for (const theme of /** @type {const} */ (['light', 'dark'])) {
    for (const size of WIDTHS) {
      const { page, faults, close } = await openPage(browser, home, { lang, theme, ...size }, state)
      const into = join(folder, `${theme}-${size.width}`)
      await mkdir(into, { recursive: true })
      for (const path of paths) {
        await page.goto(home + path)
        await settled(page, 'main, [data-wall]')
        await page.waitForTimeout(path === '/' || path.startsWith('/wall') ? FED_MS : DRAWN_MS)
        // Behind # is what is nobody's business.
        const [bare = ''] = path.split('#')
        const where = `${bare} ${lang} ${theme} ${size.width}`
        const wider = await overflow(page)
        if (wider > 0) wrong.push(`${where}: ${wider} px wider than its window`)
        wrong.push(...(await strangeWords(page, lang)).map((text) => `${where}: ${text}`))
        await writeFile(join(into, `${bare.slice(1).replaceAll(/\W+/g, '-') || 'overview'}.png`), await page.screenshot({ fullPage: true }))
        pictures += 1
      }
      wrong.push(...faults.map((fault) => `${lang} ${theme} ${size.width}: ${fault}`))
      await close()
    }
  }
  return { wrong, pictures }
}
