// Through the page's MQTT client: several topics at once, a reply, what holds still while it is read, what is
// muted, repeated, recalled, and connections as files; then the broker goes and comes back.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

const HELD = 40

/**
 * Behind the password that was set.
 * @param {import('playwright-core').Page} page
 * @param {{ page: string, host: string, mqtt: number, stop: () => Promise<void>, start: () => Promise<void> }} broker
 */
export async function client(page, broker) {
  const other = await mqtt.connectAsync(`mqtt://${broker.host}:${broker.mqtt}`, { protocolVersion: 5, reconnectPeriod: 0 })
  try {
    await page.goto(`${broker.page}/mqtt-client`)
    await page.click('[data-mqtt=connect]')
    await page.fill('[data-mqtt=filter]', 'ask/#\nflood, too/#')
    await page.click('[data-mqtt=subscribe]:enabled')
    await page.locator('.pane .filter', { hasText: 'flood, too/#' }).waitFor()
    await reply(page, other)
    await hold(page, other)
    await mute(page, other)
    await compose(page, other)
    await files(page)
    await packets(page)
  } finally {
    await other.endAsync()
  }
  await outage(page, broker)
}

/** @param {import('playwright-core').Page} page @param {string} name @param {number} n */
function counted(page, name, n) {
  return page.waitForFunction(([of, wanted]) => Number(document.querySelector(`[data-count=${of}]`)?.textContent?.replaceAll(',', '')) === wanted, /** @type {const} */ ([name, n]))
}

/** @param {import('mqtt').MqttClient} other @returns {Promise<[string, Buffer, import('mqtt').IPublishPacket]>} */
function arrival(other) {
  return new Promise((done) => other.once('message', (...all) => done(all)))
}

/** @param {import('playwright-core').Page} page @param {import('mqtt').MqttClient} other */
async function reply(page, other) {
  await other.subscribeAsync('answer', { qos: 1 })
  await other.publishAsync('ask/me', 'which?', { qos: 1, properties: { responseTopic: 'answer', correlationData: Buffer.from([0, 7]) } })
  await page.click('.message:has-text("which?")')
  await page.click('[data-mqtt=reply]')
  const answer = arrival(other)
  await page.fill('[data-mqtt=payload]', 'this')
  await page.keyboard.press('Control+Enter')
  const [topic, payload, packet] = await answer
  assert.deepEqual([topic, payload.toString(), packet.properties?.correlationData], ['answer', 'this', Buffer.from([0, 7])])
}

/** Whoever scrolls up reads on, and is told how many came. @param {import('playwright-core').Page} page @param {import('mqtt').MqttClient} other */
async function hold(page, other) {
  const flood = async (/** @type {string} */ what) => {
    for (let n = 0; n < HELD; n += 1) await other.publishAsync('flood, too/x', `${what} ${n}`)
  }
  await flood('before')
  await page.locator('.message', { hasText: `before ${HELD - 1}` }).waitFor()
  const box = page.locator('[role=log]')
  await box.evaluate((element) => element.scrollTo(0, 46 * 10))
  const read = page.locator('.message', { hasText: 'before 12' })
  await read.waitFor()
  const place = await read.boundingBox()
  await flood('after')
  await page.locator('[role=log] ~ button', { hasText: String(HELD) }).waitFor()
  assert.deepEqual(await read.boundingBox(), place)
  await page.locator('[role=log] ~ button', { hasText: String(HELD) }).click()
  await page.locator('.message', { hasText: `after ${HELD - 1}` }).waitFor()
  await page.fill('[data-mqtt=search]', 'AFTER 3')
  await counted(page, 'matching', 11)
  await page.fill('[data-mqtt=search]', '')
}

/** @param {import('playwright-core').Page} page @param {import('mqtt').MqttClient} other */
async function mute(page, other) {
  const one = page.locator('.pane .one', { hasText: 'flood, too/#' })
  await one.locator('button').nth(1).click()
  await other.publishAsync('flood, too/x', 'unheard', { qos: 1 })
  await counted(page, 'muted', 1)
  assert.equal(await page.locator('.message', { hasText: 'unheard' }).count(), 0)
  await one.locator('button').nth(1).click()
}

/** @param {import('playwright-core').Page} page @param {import('mqtt').MqttClient} other */
async function compose(page, other) {
  await page.fill('[data-mqtt=topic]', 'answer')
  await page.click('[data-form=json]')
  await page.fill('[data-mqtt=payload]', '{"a": }')
  await page.keyboard.press('Control+Enter')
  await page.locator('.composer .bad').first().waitFor()
  /** @type {string[]} */
  const came = []
  other.on('message', (_, payload) => came.push(payload.toString()))
  await page.fill('[data-mqtt=payload]', '{"n": ${seq}}')
  await page.locator('.repeat input').first().fill('20')
  await page.locator('.repeat input').last().fill('3')
  await page.click('[data-mqtt=repeat]')
  const until = Date.now() + 5000
  while (came.length < 3 && Date.now() < until) await page.waitForTimeout(20)
  await page.waitForTimeout(100)
  assert.equal(came.length, 3)
  assert.equal(new Set(came).size, 3)
  await page.fill('[data-mqtt=payload]', '')
  for (let n = 0; n < 2; n += 1) await page.keyboard.press('ArrowUp')
  assert.equal(await page.inputValue('[data-mqtt=payload]'), 'this')
}

/** @param {import('playwright-core').Page} page */
async function files(page) {
  for (const form of ['export', 'export-mqttx']) {
    await page.click('[data-mqtt=manage]')
    const before = await page.locator('dialog .row').count()
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(`[data-mqtt=${form}]`)])
    await page.setInputFiles('[data-mqtt=import]', await download.path())
    await page.waitForFunction((n) => document.querySelectorAll('dialog .row').length === n, before * 2)
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog', { state: 'detached' })
  }
}

/** @param {import('playwright-core').Page} page */
async function packets(page) {
  await page.click('[data-mqtt=packets]')
  await page.locator('.middle .check input').uncheck()
  await page.locator('[role=log]', { hasText: 'SUBACK' }).waitFor()
  await page.locator('[role=log]', { hasText: '0x00' }).waitFor()
}

/** @param {import('playwright-core').Page} page @param {{ stop: () => Promise<void>, start: () => Promise<void> }} broker */
async function outage(page, broker) {
  await broker.stop()
  await page.waitForSelector('.state.waiting')
  await page.waitForSelector('.refusal')
  await broker.start()
  await page.waitForSelector('.state.connected')
  await page.waitForSelector('[data-link=down]', { state: 'detached' })
}
