// The tutorial from the first page to the last, by somebody on another machine than the broker's, in Chinese and
// in English: `node tutorial.js BINARY FOLDER HOST PROGRAM...`, where the program starts others on the broker's
// machine. Pictures of every page are left in the folder.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { startUsualBroker } from '../walk/broker.js'
import { openPage, overflow, startBrowser } from '../walk/browser.js'
import { figuresWithin } from '../walk/flow.js'
import { PAGES } from '../walk/pages.js'
import { fill, furnish } from './fill.js'
import { gallery } from './gallery.js'
import { caller, signIn } from './page.js'
import { PAHO, python, script } from './python.js'
import { strangeWords } from './strange.js'

/** Within which a client is shown after its CONNECT, and as gone after its end. */
const SEEN_MS = 2_000
/** Within which the figures are right, after the CONNECT of who publishes. */
const FIGURES_MS = 5_000
/** Within which an outage, or its end, is seen. */
const OUTAGE_MS = 3_000
const WAIT_MS = 10_000

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../walk/broker.js').Broker} Broker */

const [binary = '', folder = '', host = '', ...on] = process.argv.slice(2)
await cjk()
const browser = await startBrowser()
try {
  await tutorial({ lang: 'zh', theme: 'light', width: 1366, height: 768 }, PAHO[0])
  await tutorial({ lang: 'en', theme: 'dark', width: 1366, height: 768 }, PAHO[1])
} finally {
  await browser.close()
}

/** @param {import('../walk/browser.js').Look} look @param {string} paho */
async function tutorial(look, paho) {
  const program = await python(paho)
  const broker = await startUsualBroker(binary, host, on)
  const { page, faults, close } = await openPage(browser, broker.page, look)
  page.setDefaultTimeout(WAIT_MS)
  /** @type {{ stop(): Promise<void> }[]} */
  const scripts = []
  /** @type {import('mqtt').MqttClient[]} */
  const clients = []
  const told = (/** @type {string} */ text) => console.log(`tutorial: ${look.lang}: ${text}`)
  try {
    await page.goto(broker.page)
    await page.waitForSelector('input[name=username]')
    await whole(page, look.lang)
    await signIn(page, broker.page)
    await page.evaluate(() => Object.assign(window, { stays: true }))
    const signingIn = await gallery(browser, broker.page, { lang: look.lang, paths: ['/'], folder: join(folder, `${look.lang}-sign-in`) })
    assert.deepEqual(signingIn.wrong, [])
    const pictures = await pictured(page, broker, look.lang, 'empty', PAGES)
    told(`${signingIn.pictures} pictures of the sign-in, ${pictures} of pages with nothing on them`)

    await ownClient(page)
    told('connected as MQTT_FX_Client1, subscribed, published, received, closed')
    await follow(page, '/clients')
    const subscriber = script(program, 'subscriber', host)
    scripts.push(subscriber)
    const reader = await appears(page, [])
    const publisher = script(program, 'publisher', host)
    scripts.push(publisher)
    const speaker = await appears(page, [reader.id])
    await follow(page, '/')
    const { afterMs, read } = await figuresWithin(page, speaker.at, FIGURES_MS)
    const [into, out, unread, lost] = read
    told(
      `paho-mqtt ${paho}: shown ${reader.afterMs} and ${speaker.afterMs} ms after CONNECT (<= ${SEEN_MS}); ` +
        `in ${into} (2), out ${out} (1), no subscriber ${unread} (1), lost ${lost} (0) after ${afterMs} ms (<= ${FIGURES_MS})`,
    )

    const phrase = await kick(page, speaker.id)
    told(`kicked ${speaker.id} behind the password field`)
    const outage = await restart(page, broker)
    told(`restart: seen ${outage.goneMs} ms after the end (<= ${OUTAGE_MS}), over ${outage.backMs} ms after the first answer (<= ${OUTAGE_MS})`)

    const call = await caller(broker.page, phrase)
    clients.push(...(await fill(broker)))
    await furnish(call, broker)
    const { api_key: key, api_secret: secret } = await call('POST', '/api_key', { name: 'wall', desc: '', enable: true, role: 'wall' })
    const paths = [...PAGES, `/wall#${key}.${secret}`, `/clients/detail?id=${speaker.id}`, '/clients/detail?id=reader', '/traces/view?name=reader', '/topics?topic=lab/0/value&open=/lab,/lab/0']
    told(`${await pictured(page, broker, look.lang, 'filled', paths)} pictures of pages with data`)
    for (const client of clients.splice(0)) await client.endAsync()

    await follow(page, '/clients')
    const ends = []
    for (const [at, id] of [reader.id, speaker.id].entries()) {
      await scripts[at]?.stop()
      ends.push(await vanishes(page, id))
    }
    told(`shown as gone ${ends.join(' and ')} ms after their ends (<= ${SEEN_MS})`)
    assert.ok(await page.evaluate(() => 'stays' in window), 'the page was loaded anew')
    await whole(page, look.lang)
    // That the broker went, and that nobody listens while it is down, are the browser's own lines.
    const own = faults.filter((fault) => !/net::ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE)/.test(fault))
    told(`${own.length} errors of the console, refusals of the policy, requests to other hosts (0); 0 words in another language, 0 px too wide (0)`)
    assert.deepEqual(own, [])
  } finally {
    for (const one of scripts) await one.stop()
    for (const client of clients) client.end(true)
    await close()
    await broker.end()
  }
}

/** Without such a font Chinese is drawn as boxes, and nobody would see how wide it is. */
async function cjk() {
  const { stdout } = await promisify(execFile)('fc-match', ['--format=%{family[0]}', 'sans-serif:lang=zh-cn'])
  const { stdout: all } = await promisify(execFile)('fc-list', ['--format=%{family[0]}\n', ':lang=zh-cn'])
  assert.ok(all.split('\n').includes(stdout), `no font for Chinese is installed; instead it would be ${stdout}`)
  console.log(`tutorial: Chinese in ${stdout}`)
}

/** As by a link of the page's, so that it is not loaded anew. @param {Page} page @param {string} path */
async function follow(page, path) {
  await page.evaluate((to) => document.querySelector(/** @type {'a'} */ (`nav a[href="${to}"]`))?.click(), path)
  await page.waitForURL((url) => url.pathname === path)
}

/** @param {Page} page @param {'zh' | 'en'} lang */
async function whole(page, lang) {
  assert.ok((await overflow(page)) <= 0, `${page.url()} is wider than its window`)
  assert.deepEqual(await strangeWords(page, lang), [], page.url())
}

/** @param {Page} page @param {Broker} broker @param {'zh' | 'en'} lang @param {string} name @param {readonly string[]} paths */
async function pictured(page, broker, lang, name, paths) {
  const state = await page.context().storageState()
  const { wrong, pictures } = await gallery(browser, broker.page, { lang, state, paths, folder: join(folder, `${lang}-${name}`) })
  assert.deepEqual(wrong, [])
  return pictures
}

/** The page's own client in the place of MQTT.fx. @param {Page} page */
async function ownClient(page) {
  const ID = 'MQTT_FX_Client1'
  await follow(page, '/mqtt-client')
  await page.click('[data-mqtt=connect]')
  await page.fill('[data-mqtt=filter]', 'test')
  await page.click('[data-mqtt=subscribe]:enabled')
  await page.waitForSelector('.pane .filter')
  await follow(page, '/clients')
  await page.locator('tbody tr', { hasText: ID }).waitFor()
  await follow(page, '/mqtt-client')
  await page.fill('[data-mqtt=topic]', 'test')
  await page.fill('[data-mqtt=payload]', 'hello from the page')
  await page.click('[data-mqtt=publish]:enabled')
  await page.waitForFunction(() => [...document.querySelectorAll('.message')].filter((one) => one.textContent?.includes('hello from the page')).length === 2)
  await page.click('[data-mqtt=disconnect]')
  await page.waitForSelector('[data-mqtt=connect]')
  await follow(page, '/clients')
  await page.locator('tbody tr', { hasText: ID }).waitFor({ state: 'detached' })
}

/** @param {Page} page @param {string} path @returns {Promise<any>} */
function asked(page, path) {
  return page.evaluate(async (of) => (await fetch(`/api/v5${of}`, { headers: { 'x-requested-with': 'walk' } })).json(), path)
}

/** The next client in the list, by the broker's clock, which is this machine's. @param {Page} page @param {string[]} known */
async function appears(page, known) {
  const seen = await page.waitForFunction((others) => {
    const ids = [...document.querySelectorAll('tbody tr')].map((row) => /bci_\d{6}/.exec(row.textContent ?? '')?.[0])
    const id = ids.find((one) => one !== undefined && !others.includes(one))
    return id === undefined ? null : { id, at: Date.now() }
  }, known)
  const { id, at } = await seen.jsonValue().then((found) => found ?? { id: '', at: 0 })
  const { connected_at } = await asked(page, `/clients/${id}`)
  const afterMs = at - Date.parse(connected_at)
  assert.ok(afterMs <= SEEN_MS, `${id} is shown ${afterMs} ms after its CONNECT`)
  return { id, afterMs, at: Date.parse(connected_at) }
}

/** @param {Page} page @param {string} id */
async function vanishes(page, id) {
  const seen = await page.waitForFunction((gone) => {
    const rows = [...document.querySelectorAll('tbody tr:not(.gone)')]
    return rows.some((row) => row.textContent?.includes(gone)) ? null : Date.now()
  }, id)
  const at = Number(await seen.jsonValue())
  const { data } = await asked(page, '/connection_log?limit=100')
  const end = data.find((/** @type {{ clientid: string, event: string }} */ one) => one.clientid === id && one.event === 'disconnected')
  const afterMs = at - end.time_stamp
  assert.ok(afterMs <= SEEN_MS, `${id} is shown as gone ${afterMs} ms after its end`)
  return afterMs
}

/**
 * The first change asks for a password in place; what it was tried for goes through behind it. Gives the password.
 * @param {Page} page @param {string} id
 */
async function kick(page, id) {
  await follow(page, '/clients')
  await page.locator('tbody tr', { hasText: id }).locator('td a').first().click()
  await page.waitForURL(/\/clients\/detail\?id=/)
  const address = page.url()
  await page.click('[data-act=kick]')
  await page.click('dialog .danger')
  const field = page.locator('#set-password input.mono')
  const phrase = await field.inputValue()
  assert.ok(phrase.length >= 8, 'no pass phrase is offered')
  assert.equal(page.url(), address)
  await page.click('button[form=set-password]')
  await page.waitForSelector('dialog', { state: 'detached' })
  const until = Date.now() + WAIT_MS
  for (;;) {
    const { data } = await asked(page, '/connection_log?limit=100')
    if (data.some((/** @type {{ clientid: string, cause: string }} */ one) => one.clientid === id && one.cause === 'kicked')) return phrase
    assert.ok(Date.now() < until, `${id} was not kicked`)
    await page.waitForTimeout(100)
  }
}

/** @param {Page} page @param {Broker} broker */
async function restart(page, broker) {
  await follow(page, '/')
  await page.waitForSelector('[data-figure=in]')
  await broker.stop()
  const ended = Date.now()
  await page.waitForSelector('[data-link=down]', { timeout: OUTAGE_MS })
  const goneMs = Date.now() - ended
  await broker.start()
  const answered = Date.now()
  await page.waitForSelector('[data-link=down]', { state: 'detached', timeout: OUTAGE_MS })
  await page.waitForSelector('[data-figure=in]')
  return { goneMs, backMs: Date.now() - answered }
}
