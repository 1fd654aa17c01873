// axe on every page, every menu and every dialog, empty and filled, in both languages and themes; on the way, that
// nothing is in another language or wider than its window.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { startBroker } from '../walk/broker.js'
import { openPage, overflow, settled } from '../walk/browser.js'
import { PAGES } from '../walk/pages.js'
import { DIALOGS, openDialogs } from './dialogs.js'
import { fill, furnish } from './fill.js'
import { caller, open, PASSWORD, setPassword, signIn } from './page.js'
import { strangeWords } from './strange.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const GRAVE = new Set(['serious', 'critical'])
/** Within which a dialog is there, if a button opens one. */
const DIALOG_MS = 150
const BUTTONS_MAX = 24
/** What lies over a page. */
const OVER = 'dialog[open], [data-wall]'
const BUTTONS = 'main :is(button:enabled, summary)'
/** A menu that is open, and what is in it; files that a browser would keep are not asked for. */
const MENU = 'main details.drop[open] > .box'
const FILES = /^(CSV|JSON|JSON Lines)$/
/** What opens something over every page, where it is shown. */
const AROUND = ['[data-act=palette]', '[data-act=keys]', '[data-menu=more]']
const VIEWS = [
  '/?flow=table',
  '/alarms?which=past',
  '/authorization?of=users',
  '/authorization?of=clients&who=reader',
  '/authorization?tab=trial',
  '/authorization?tab=sources',
  '/clients/detail?id=reader',
  '/traces/view?name=reader',
  '/topics?topic=lab/0/value&open=/lab,/lab/0',
]
/** @type {import('../walk/browser.js').Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'zh', theme: 'dark', width: 360, height: 720 },
  { lang: 'en', theme: 'dark', width: 1366, height: 768 },
  { lang: 'en', theme: 'light', width: 360, height: 720 },
]

/** @typedef {import('../walk/browser.js').Look} Look */
/** @typedef {{ page: import('playwright-core').Page, look: Look, home: string, found: string[], dialogs: Set<string>, checks: number }} Walk */

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showAccessible(browser, binary) {
  /** @type {string[]} */
  const found = []
  /** @type {Set<string>} */
  const dialogs = new Set()
  for (const look of LOOKS) {
    for (const isFilled of [false, true]) {
      const begun = Date.now()
      const walk = await oneLook(browser, binary, look, isFilled)
      console.log(
        `axe: ${look.lang} ${look.theme} ${look.width} px ${isFilled ? 'filled' : 'empty'}: ${walk.checks} checks, ${walk.dialogs.size} kinds of dialogs, ` +
          `${walk.found.length} faults (0 wanted), ${Math.round((Date.now() - begun) / 1000)} s`,
      )
      for (const fault of walk.found) console.log(`axe: ${fault}`)
      found.push(...walk.found)
      for (const one of walk.dialogs) dialogs.add(one)
    }
  }
  const missed = DIALOGS.filter((path) => !dialogs.has(path))
  console.log(`axe: ${DIALOGS.length - missed.length} of ${DIALOGS.length} components with a dialog were opened; ${found.length} faults (0 wanted)`)
  assert.deepEqual([...found, ...missed.map((path) => `the dialog of ${path} was not opened`)], [])
}

/** @param {import('playwright-core').Browser} browser @param {string} binary @param {Look} look @param {boolean} isFilled @returns {Promise<Walk>} */
async function oneLook(browser, binary, look, isFilled) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, look)
  const what = `${look.lang} ${look.theme} ${look.width}${isFilled ? ' filled' : ''}`
  /** @type {import('mqtt').MqttClient[]} */
  const clients = []
  /** @type {Walk} */
  const walk = { page, look, home: broker.page, found: [], dialogs: new Set(), checks: 0 }
  try {
    await page.addInitScript(AXE)
    await page.goto(broker.page)
    await page.waitForSelector('input[name=username]')
    await check(walk, `sign-in ${what}`)
    if (isFilled) {
      await setPassword(broker.page)
      clients.push(...(await fill(broker)))
      await furnish(await caller(broker.page), broker)
      await signIn(page, broker.page, PASSWORD)
    } else {
      await firstMinutes(walk, what)
      await setPassword(broker.page)
      await signIn(page, broker.page, PASSWORD)
    }
    await around(walk, `around the page ${what}`)
    for (const path of isFilled ? [...PAGES, ...VIEWS] : PAGES) await onePage(walk, path, `${path} ${what}`)
    if (isFilled) {
      await ownClient(walk, `/mqtt-client ${what}`)
      await made(walk, '/api-keys?do=add', 'dialog input:not([type])', what)
      await made(walk, '/mqtt-users?do=add', '[data-user=name]', what)
    }
    walk.found.push(...faults.map((fault) => `${what}: ${fault}`))
    return walk
  } finally {
    for (const client of clients) client.end(true)
    await close()
    await broker.end()
  }
}

/** Before a password was set: what a fresh broker shows, and the field for one. @param {Walk} walk @param {string} what */
async function firstMinutes(walk, what) {
  await signIn(walk.page, walk.home)
  await walk.page.waitForSelector('[data-attention=default_password] button')
  await check(walk, `first minutes ${what}`)
  await walk.page.click('[data-attention=default_password] button')
  await opened(walk, `set a password ${what}`)
  // Whoever signs in anew is nobody before.
  await walk.page.context().clearCookies()
  await walk.page.evaluate(() => localStorage.clear())
}

/** @param {Walk} walk @param {string} path @param {string} where */
async function onePage(walk, path, where) {
  const { page } = walk
  await open(page, path)
  await check(walk, where)
  for (const name of (await buttons(page, BUTTONS)).slice(0, BUTTONS_MAX)) {
    if (page.url() !== walk.home + path) await open(page, path)
    await press(page, BUTTONS, name)
    await opened(walk, `${where}: behind ${name}`)
    await menu(walk, name, `${where}: in ${name}`)
  }
}

/** What the page's own client shows when it is connected and something came. @param {Walk} walk @param {string} where */
async function ownClient(walk, where) {
  const { page } = walk
  await open(page, '/mqtt-client')
  // Among the buttons that were pressed before was this one.
  if (await page.isVisible('[data-mqtt=connect]')) await page.click('[data-mqtt=connect]')
  await page.fill('[data-mqtt=filter]', 'lab/#')
  await page.click('[data-mqtt=subscribe]:enabled')
  await page.waitForSelector('.message')
  await check(walk, `${where}: connected`)
  // One of the list, how its subscription is shown, what is retained on the topic.
  await page.fill('[data-mqtt=topic]', 'lab/0/value')
  for (const opens of ['.message', '.pane .row > button:nth-of-type(3)', '[data-mqtt=clear-retained]']) {
    await page.locator(opens).first().click()
    await opened(walk, `${where}: behind ${opens}`)
  }
  await page.click('[data-mqtt=packets]')
  await check(walk, `${where}: packets`)
  await page.click('[data-mqtt=disconnect]')
}

/** What is shown once, when something was made. @param {Walk} walk @param {string} path @param {string} field @param {string} what */
async function made(walk, path, field, what) {
  const { page } = walk
  await open(page, path)
  await page.locator(field).first().fill('another')
  await page.click('dialog [data-act=go]')
  await page.waitForSelector('dialog:not(:has([data-act=go]))')
  await opened(walk, `${path} ${what}: made`)
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
  for (const one of await openDialogs(page)) walk.dialogs.add(one)
  // What is behind it has been checked, and is out of reach.
  await check(walk, where, OVER)
  for (let left = await over.count(); left > 0; left -= 1) await page.keyboard.press('Escape')
  await over.first().waitFor({ state: 'detached' })
}

/** The menu that a button opened, if it did, and what its entries open. @param {Walk} walk @param {string} name @param {string} where */
async function menu(walk, name, where) {
  const { page } = walk
  if (!(await page.locator(MENU).first().isVisible())) return
  await check(walk, where, MENU)
  const entries = (await buttons(page, `${MENU} button:enabled`)).filter((entry) => !FILES.test(entry))
  for (const entry of entries) {
    if (!(await page.locator(MENU).first().isVisible())) await press(page, BUTTONS, name)
    await press(page, `${MENU} button:enabled`, entry)
    await opened(walk, `${where}: behind ${entry}`)
  }
  if (await page.locator(MENU).first().isVisible()) await press(page, BUTTONS, name)
}

/** The names of what can be pressed, each once. @param {import('playwright-core').Page} page @param {string} which */
function buttons(page, which) {
  return page.evaluate((selector) => {
    const all = [...document.querySelectorAll(/** @type {'button'} */ (selector))].filter((one) => one.checkVisibility())
    return [...new Set(all.map((one) => one.getAttribute('aria-label') ?? one.innerText.trim()))]
  }, which)
}

/** @param {import('playwright-core').Page} page @param {string} which @param {string} name */
function press(page, which, name) {
  return page.evaluate(
    ([selector, wanted]) => {
      const all = [...document.querySelectorAll(/** @type {'button'} */ (selector))].filter((one) => one.checkVisibility())
      all.find((one) => (one.getAttribute('aria-label') ?? one.innerText.trim()) === wanted)?.click()
    },
    /** @type {const} */ ([which, name]),
  )
}

/** @param {Walk} walk @param {string} where @param {string} within */
async function check(walk, where, within = 'html') {
  const { page, found, look } = walk
  if (within === OVER) await settled(page, OVER)
  const violations = await page.evaluate(async (selector) => {
    /** @typedef {(of: string, options: import('axe-core').RunOptions) => Promise<import('axe-core').AxeResults>} Run */
    const { axe } = /** @type {{ axe: { run: Run } }} */ (Object.assign(window))
    const results = await axe.run(selector, { resultTypes: ['violations'] })
    return results.violations.map(({ id, impact, nodes }) => ({ id, impact: impact ?? '', target: String(nodes[0]?.target), n: nodes.length }))
  }, within)
  walk.checks += 1
  for (const { id, impact, target, n } of violations) {
    if (GRAVE.has(impact)) found.push(`${where}: ${id} (${impact}, ${n}): ${target}`)
  }
  const wider = await overflow(page)
  if (wider > 0) found.push(`${where}: ${wider} px wider than its window`)
  found.push(...(await strangeWords(page, look.lang)).map((text) => `${where}: in another language: ${text}`))
}
