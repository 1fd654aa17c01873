// Makes the documents' pictures: a small laboratory on a broker of its own, its overview, with which the
// READMEs begin, and the page's client as the first steps leave it.
// `npm run picture -- ../target/debug/ternmq ../docs`.
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import mqtt from 'mqtt'

import { startBroker } from './broker.js'
import { openPage, startBrowser } from './browser.js'

const SETTLE_MS = 60_000
/** So that there are dots on all lines. */
const SEEN_MS = 6_000
/** A busy machine is something that needs attention, and is waited out. */
const CALM_MS = 600_000
const LOOKS = /** @type {const} */ ([
  { end: '.png', lang: 'en', theme: 'light', width: 1366, height: 768 },
  { end: '.zh.png', lang: 'zh', theme: 'light', width: 1366, height: 768 },
])

/** Who publishes what, and how often in a second. @type {[string, string, number][]} */
const PUBLISHERS = [
  ['eeg-amplifier', 'lab/eeg/raw', 250],
  ['eeg-amplifier', 'lab/eeg/markers', 2],
  ['thermometer-1', 'lab/room1/temperature', 1],
  ['thermometer-2', 'lab/room2/temperature', 1],
  ['thermometer-2', 'lab/room2/humidity', 1],
  ['door', 'lab/door', 0.5],
  ['microscope', 'lab/microscope/frame', 25],
]
/** Who gets what. @type {[string, string][]} */
const SUBSCRIBERS = [
  ['recorder', 'lab/eeg/#'],
  ['analysis-1', '$share/analysis/lab/eeg/raw'],
  ['analysis-2', '$share/analysis/lab/eeg/raw'],
  ['wall-display', 'lab/+/temperature'],
  ['archive', 'lab/microscope/#'],
  ['alarm', 'lab/door'],
  ['alarm', 'lab/+/temperature'],
]

const PASSWORD = 'picture-of-the-overview-1'

const [binary, folder] = process.argv.slice(2)
if (binary === undefined || folder === undefined) throw new Error('usage: picture.js BINARY FOLDER')
const broker = await startBroker(resolve(binary))
const browser = await startBrowser()
try {
  await setPassword(broker.page)
  await populate(`mqtt://${broker.host}:${broker.mqtt}`)
  await new Promise((done) => setTimeout(done, SETTLE_MS))
  for (const look of LOOKS) {
    const { page, close } = await openPage(browser, broker.page, look)
    await page.goto(broker.page)
    await page.fill('input[name=username]', 'admin')
    await page.fill('input[name=password]', PASSWORD)
    await page.keyboard.press('Enter')
    await page.waitForSelector('[data-flow-node]')
    await page.waitForSelector('[data-attention]', { state: 'detached', timeout: CALM_MS })
    await page.waitForTimeout(SEEN_MS)
    await writeFile(join(folder, `overview${look.end}`), await page.screenshot())
    await tryClient(page, broker.page)
    await writeFile(join(folder, `client${look.end}`), await page.screenshot())
    await close()
  }
} finally {
  await browser.close()
  await broker.end()
}
// The clients would go on.
process.exit(0)

/** So that nothing needs attention. @param {string} home */
async function setPassword(home) {
  const call = (/** @type {string} */ path, /** @type {unknown} */ body, /** @type {Record<string, string>} */ more = {}) =>
    fetch(`${home}/api/v5/${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...more }, body: JSON.stringify(body) })
  const { token } = await (await call('login', { username: 'admin', password: 'public' })).json()
  const change = { old_pwd: 'public', new_pwd: PASSWORD }
  const answer = await call('users/admin/change_pwd', change, { authorization: `Bearer ${token}` })
  if (!answer.ok) throw new Error(await answer.text())
}

/** Subscribes to `test`, publishes there and sees it arrive. @param {import('playwright-core').Page} page @param {string} home */
async function tryClient(page, home) {
  await page.goto(`${home}/mqtt-client`)
  await page.click('[data-mqtt=connect]')
  await page.click('[data-mqtt=subscribe]:enabled')
  await page.waitForSelector('.list .filter')
  await page.click('[data-mqtt=publish]:enabled')
  // Once as published, once as received.
  await page.waitForFunction(() => document.querySelectorAll('.message').length >= 2)
}

/** @param {string} address */
async function populate(address) {
  /** @type {Map<string, Promise<import('mqtt').MqttClient>>} */
  const clients = new Map()
  const client = (/** @type {string} */ clientId) => {
    const known = clients.get(clientId) ?? mqtt.connectAsync(address, { clientId })
    clients.set(clientId, known)
    return known
  }
  for (const [id, filter] of SUBSCRIBERS) await (await client(id)).subscribeAsync(filter, { qos: 1 })
  await leaveBehind(address)
  for (const [id, topic, perSecond] of PUBLISHERS) {
    const from = await client(id)
    const each = Math.max(1, Math.round(perSecond / 20))
    setInterval(() => {
      for (let one = 0; one < each; one += 1) from.publish(topic, 'a value', { qos: 1 })
    }, (1_000 * each) / perSecond)
  }
}

/** A client that has gone and will want what it missed. @param {string} address */
async function leaveBehind(address) {
  const away = await mqtt.connectAsync(address, { clientId: 'notebook', clean: false })
  await away.subscribeAsync('lab/eeg/markers', { qos: 1 })
  await away.endAsync()
}
