// axe on every page and every dialog that a button of it opens, empty and filled, in both languages and themes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import mqtt from 'mqtt'

import { startBroker } from '../walk/broker.js'
import { openPage, settled } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { PASSWORD, setPassword, signIn } from './page.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const GRAVE = new Set(['serious', 'critical'])
/** Within which a dialog is there. */
const DIALOG_MS = 150
const BUTTONS_MAX = 24
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
      const clients = isFilled ? await fill(broker) : []
      /** @type {Walk} */
      const walk = { page, found: [], dialogs: 0 }
      try {
        await page.goto(broker.page)
        await check(walk, `sign-in ${look.lang} ${look.theme}`)
        await setPassword(broker.page)
        await signIn(page, broker.page, PASSWORD)
        const paths = isFilled ? [...PAGES, '/clients/detail?id=reader'] : PAGES
        for (const path of paths) await onePage(walk, broker.page, path, `${path} ${look.lang} ${look.theme}${isFilled ? ' filled' : ''}`)
        console.log(`axe: ${look.lang} ${look.theme} ${look.width} px ${isFilled ? 'filled' : 'empty'}: ${paths.length} pages, ${walk.dialogs} dialogs, ${walk.found.length} serious or critical`)
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
  await page.goto(home + path)
  await settled(page)
  await check(walk, where)
  const names = await page.evaluate(() => {
    const all = [...document.querySelectorAll(/** @type {'button'} */ ('main button:enabled'))].filter((one) => one.checkVisibility())
    return [...new Set(all.map((one) => one.getAttribute('aria-label') ?? one.innerText.trim()))]
  })
  for (const name of names.slice(0, BUTTONS_MAX)) {
    if (page.url() !== home + path) {
      await page.goto(home + path)
      await settled(page)
    }
    const button = page.getByRole('button', { name, exact: true }).first()
    await button.click({ timeout: 1000, noWaitAfter: true }).catch(() => undefined)
    await page.waitForTimeout(DIALOG_MS)
    if ((await page.locator('dialog[open]').count()) === 0) continue
    walk.dialogs += 1
    await check(walk, `${where}: dialog of ${name}`)
    for (let open = await page.locator('dialog[open]').count(); open > 0; open -= 1) await page.keyboard.press('Escape')
  }
}

/** @param {Walk} walk @param {string} where */
async function check({ page, found }, where) {
  await page.evaluate(AXE)
  const violations = await page.evaluate(async () => {
    const { axe } = /** @type {{ axe: import('axe-core').AxeResults & { run(): Promise<import('axe-core').AxeResults> } }} */ (Object.assign(window))
    const results = await axe.run()
    return results.violations.map(({ id, impact, nodes }) => ({ id, impact: impact ?? '', target: String(nodes[0]?.target), n: nodes.length }))
  })
  for (const { id, impact, target, n } of violations) {
    if (GRAVE.has(impact)) found.push(`${where}: ${id} (${impact}, ${n}): ${target}`)
  }
}

/** Somebody who reads, with something retained, lost and refused. @param {{ host: string, mqtt: number }} broker */
async function fill(broker) {
  const url = `mqtt://${broker.host}:${broker.mqtt}`
  const reader = await mqtt.connectAsync(url, { clientId: 'reader', username: 'somebody', protocolVersion: 5, reconnectPeriod: 0, properties: { maximumPacketSize: 100 } })
  const writer = await mqtt.connectAsync(url, { clientId: 'writer', reconnectPeriod: 0 })
  await reader.subscribeAsync('lab/#')
  for (let n = 0; n < 20; n += 1) await writer.publishAsync(`lab/${n % 4}/value`, JSON.stringify({ n, value: n / 3 }), { qos: 1, retain: true })
  await writer.publishAsync('lab/large', 'x'.repeat(200), { qos: 1 })
  await writer.publishAsync('nobody/reads', 'x', { qos: 1 })
  await writer.publishAsync('$delayed/600/lab/later', 'x', { qos: 1 })
  return [reader, writer]
}
