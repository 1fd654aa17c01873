// axe on every page and every dialog that a button of it or of what surrounds it opens, empty and filled, in both
// languages and themes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { fill, furnish } from './fill.js'
import { caller, open, PASSWORD, setPassword, signIn } from './page.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const GRAVE = new Set(['serious', 'critical'])
/** Within which a dialog is there, if a button opens one. */
const DIALOG_MS = 150
const BUTTONS_MAX = 24
/** What lies over a page. */
const OVER = 'dialog[open], [data-wall]'
/** What opens something over every page, where it is shown. */
const AROUND = ['[data-act=palette]', '[data-act=keys]', '[data-menu=more]']
const VIEWS = ['/?flow=table', '/clients/detail?id=reader', '/traces/view?name=reader', '/topics?topic=lab/0/value&open=/lab,/lab/0']
/** @type {import('../walk/browser.js').Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'zh', theme: 'dark', width: 360, height: 720 },
  { lang: 'en', theme: 'dark', width: 1366, height: 768 },
  { lang: 'en', theme: 'light', width: 360, height: 720 },
]

/** @typedef {{ page: import('playwright-core').Page, found: string[], dialogs: number }} Walk */

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showAccessible(browser, binary) {
  /** @type {string[]} */
  const found = []
  for (const look of LOOKS) {
    for (const isFilled of [false, true]) {
      const broker = await startBroker(binary)
      const { page, close } = await openPage(browser, broker.page, look)
      const begun = Date.now()
      /** @type {import('mqtt').MqttClient[]} */
      const clients = []
      /** @type {Walk} */
      const walk = { page, found: [], dialogs: 0 }
      try {
        await page.addInitScript(AXE)
        await page.goto(broker.page)
        await page.waitForSelector('input[name=username]')
        await check(walk, `sign-in ${look.lang} ${look.theme}`)
        await setPassword(broker.page)
        if (isFilled) {
          clients.push(...(await fill(broker)))
          await furnish(await caller(broker.page), broker)
        }
        await signIn(page, broker.page, PASSWORD)
        await around(walk, `around the page ${look.lang} ${look.theme}`)
        const paths = isFilled ? [...PAGES, ...VIEWS] : PAGES
        for (const path of paths) await onePage(walk, broker.page, path, `${path} ${look.lang} ${look.theme}${isFilled ? ' filled' : ''}`)
        console.log(`axe: ${look.lang} ${look.theme} ${look.width} px ${isFilled ? 'filled' : 'empty'}: ${paths.length} pages, ${walk.dialogs} dialogs, ${walk.found.length} serious or critical, ${Math.round((Date.now() - begun) / 1000)} s`)
        found.push(...walk.found)
      } finally {
        for (const client of clients) client.end(true)
        await close()
        await broker.end()
      }
    }
  }
  assert.deepEqual(found, [])
}

/** @param {Walk} walk @param {string} home @param {string} path @param {string} where */
async function onePage(walk, home, path, where) {
  const { page } = walk
  await open(page, path)
  await check(walk, where)
  const names = await page.evaluate(() => {
    const all = [...document.querySelectorAll(/** @type {'button'} */ ('main button:enabled'))].filter((one) => one.checkVisibility())
    return [...new Set(all.map((one) => one.getAttribute('aria-label') ?? one.innerText.trim()))]
  })
  for (const name of names.slice(0, BUTTONS_MAX)) {
    if (page.url() !== home + path) await open(page, path)
    await press(page, name)
    await opened(walk, `${where}: behind ${name}`)
  }
}

/** @param {Walk} walk @param {string} where */
async function around(walk, where) {
  for (const button of AROUND) {
    if (!(await walk.page.isVisible(button))) continue
    await walk.page.click(button)
    await opened(walk, `${where}: behind ${button}`)
  }
}

/** What came over the page, if anything did; it is closed again. @param {Walk} walk @param {string} where */
async function opened(walk, where) {
  const { page } = walk
  const over = page.locator(OVER)
  await over.first().waitFor({ timeout: DIALOG_MS }).catch(() => undefined)
  if ((await over.count()) === 0) return
  walk.dialogs += 1
  // What is behind it has been checked, and is out of reach.
  await check(walk, where, OVER)
  for (let left = await over.count(); left > 0; left -= 1) await page.keyboard.press('Escape')
  await over.first().waitFor({ state: 'detached' })
}

/** @param {import('playwright-core').Page} page @param {string} name */
function press(page, name) {
  return page.evaluate((wanted) => {
    const all = [...document.querySelectorAll(/** @type {'button'} */ ('main button:enabled'))].filter((one) => one.checkVisibility())
    all.find((one) => (one.getAttribute('aria-label') ?? one.innerText.trim()) === wanted)?.click()
  }, name)
}

/** @param {Walk} walk @param {string} where @param {string} within */
async function check({ page, found }, where, within = 'html') {
  const violations = await page.evaluate(async (selector) => {
    /** @typedef {(of: string, options: import('axe-core').RunOptions) => Promise<import('axe-core').AxeResults>} Run */
    const { axe } = /** @type {{ axe: { run: Run } }} */ (Object.assign(window))
    const results = await axe.run(selector, { resultTypes: ['violations'] })
    return results.violations.map(({ id, impact, nodes }) => ({ id, impact: impact ?? '', target: String(nodes[0]?.target), n: nodes.length }))
  }, within)
  for (const { id, impact, target, n } of violations) {
    if (GRAVE.has(impact)) found.push(`${where}: ${id} (${impact}, ${n}): ${target}`)
  }
}
