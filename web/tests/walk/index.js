// The smoke walk: sign in as the tutorial says, see the first client come, connect the page's own client,
// publish and see it arrive, kick it behind the password field. `npm run walk -- path/to/ternmq`; with `first`
// behind it only up to that message, where everything takes long.
import assert from 'node:assert/strict'
import { resolve } from 'node:path'

import mqtt from 'mqtt'

import { walkHostile } from '../hostile/index.js'
import { showKeyboard } from '../show/keyboard.js'
import { showLoad } from '../show/load.js'
import { access } from './access.js'
import { administer } from './administer.js'
import { startBroker } from './broker.js'
import { openPage, overflow, startBrowser } from './browser.js'
import { client } from './client.js'
import { flow } from './flow.js'
import { PAGES } from './pages.js'
import { explorer } from './topics.js'

const [program = '../target/debug/ternmq', end] = process.argv.slice(2)
const isShort = end === 'first'
const WAIT_MS = isShort ? 60_000 : 10_000
/** Within which an outage, or its end, is seen. */
const OUTAGE_MS = 3_000
/** @typedef {import('./browser.js').Look} Look */
/** @type {Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'en', theme: 'dark', width: 360, height: 720 },
]

const binary = resolve(program)
const browser = await startBrowser()
try {
  for (const look of LOOKS) await walk(look)
  if (!isShort) {
    for (const look of LOOKS) await walkHostile(browser, binary, look, { messages: 4 })
    await showLoad(browser, binary, { seconds: 5 })
    await showKeyboard(browser, binary)
  }
} finally {
  await browser.close()
}
console.log('walk: passed')

/** @param {Look} look */
async function walk(look) {
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, look)
  page.setDefaultTimeout(WAIT_MS)
  try {
    await signIn(page, broker.page)
    await firstClient(page, broker)
    if (!isShort) await flow(page, broker)
    await ownClient(page, broker.page)
    if (!isShort) await further(page, broker, look.width)
    // That the broker went, and that nobody listens while it is down, are the browser's own lines, which no
    // page can prevent.
    const own = faults.filter((fault) => !/net::ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE)/.test(fault))
    assert.deepEqual(own, [], `${look.lang} ${look.theme}`)
    console.log(`walk: ${look.lang} ${look.theme} ${look.width} px`)
  } finally {
    await close()
    await broker.end()
  }
}

/**
 * From the first message to every page there is, and over a restart.
 * @param {import('playwright-core').Page} page
 * @param {import('./broker.js').Broker} broker
 * @param {number} width
 */
async function further(page, broker, width) {
  await kick(page, broker.page)
  await explorer(page, broker)
  await administer(page, broker)
  await access(page, broker)
  for (const path of PAGES) {
    await page.goto(broker.page + path)
    // An empty table is hidden on a phone; what it says of itself is not.
    await page.waitForSelector('main :is(h2, table, dl, form, .state):visible')
    assert.ok((await overflow(page)) <= 0, `${path} is wider than ${width} pixels`)
  }
  await client(page, broker)
  await restart(page, broker)
}

/** @param {import('playwright-core').Page} page @param {string} home */
async function signIn(page, home) {
  await page.goto(home)
  await page.fill('input[name=username]', 'admin')
  await page.fill('input[name=password]', 'public')
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-figure=in]')
}

/**
 * The empty broker's page turns green with the id of the first client, and reads what it publishes.
 * @param {import('playwright-core').Page} page
 * @param {{ host: string, mqtt: number }} broker
 */
async function firstClient(page, broker) {
  await page.waitForSelector('[data-first=host]')
  const client = mqtt.connect(`mqtt://${broker.host}:${broker.mqtt}`, { clientId: 'bci_walk', reconnectPeriod: 0 })
  try {
    await page.waitForSelector('text=bci_walk')
    const talk = setInterval(() => client.publish('test', 'x'), 100)
    await page.waitForFunction(() => Number.parseFloat(document.querySelector('[data-figure=in]')?.textContent ?? '') > 0)
    clearInterval(talk)
  } finally {
    await client.endAsync()
  }
}

/** @param {import('playwright-core').Page} page @param {string} home */
async function ownClient(page, home) {
  await page.goto(`${home}/mqtt-client`)
  await page.click('[data-mqtt=connect]')
  await page.click('[data-mqtt=subscribe]:enabled')
  await page.waitForSelector('.list .filter')
  await page.fill('[data-mqtt=payload]', 'from the walk')
  await page.click('[data-mqtt=publish]:enabled')
  // Once as published, once as received.
  await page.waitForFunction(() => document.querySelectorAll('.message').length >= 2)
}

/**
 * A change before a password was set opens the field in place, and goes through behind it.
 * @param {import('playwright-core').Page} page
 * @param {string} home
 */
async function kick(page, home) {
  // Within the page, so that its client stays connected.
  await page.evaluate(() => document.querySelector(/** @type {'a'} */ ('a[href="/clients"]'))?.click())
  await page.click('td a')
  await page.waitForURL(/\/clients\/detail\?id=/)
  await page.click('[data-act=kick]')
  await page.click('dialog .danger')
  await page.click('#set-password ~ * button[type=submit], button[form=set-password]')
  await page.waitForSelector('dialog', { state: 'detached' })
  assert.ok(await page.evaluate(() => localStorage.getItem('ternmq-person')?.includes('"mustSetPassword":false')), home)
}

/**
 * The page says that the broker is gone, and goes on by itself when it is back, still signed in.
 * @param {import('playwright-core').Page} page
 * @param {{ page: string, stop: () => Promise<void>, start: () => Promise<void> }} broker
 */
async function restart(page, broker) {
  await page.goto(broker.page)
  await page.waitForSelector('[data-figure=in]')
  await broker.stop()
  await page.waitForSelector('[data-link=down]', { timeout: OUTAGE_MS })
  await broker.start()
  await page.waitForSelector('[data-link=down]', { state: 'detached', timeout: OUTAGE_MS })
  await page.waitForSelector('[data-figure=in]')
}
