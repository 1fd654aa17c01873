// "As mosquitto_pub" and "as Python" of messages: what the page shows is taken from it and run, and what
// arrives must be the message again. Python runs it with both generations of paho-mqtt.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import mqtt from 'mqtt'

import { startBroker } from '../walk/broker.js'
import { openPage } from '../walk/browser.js'
import { signIn } from './page.js'
import { PAHO, python } from './python.js'

const run = promisify(execFile)
const ARRIVE_MS = 5000

/** @typedef {{ topic: string, payload: Buffer, qos: 0 | 1 | 2, retain?: boolean, properties?: NonNullable<import('mqtt').IClientPublishOptions['properties']>, notByShell?: boolean }} Case */
/** @type {Case[]} */
const CASES = [
  { topic: 'code/quotes', payload: Buffer.from(`it's "quoted" $(id) \`id\` \\ and\ntwo lines\n`), qos: 1 },
  { topic: 'code/bytes', payload: Buffer.from([0, 1, 255, 10, 0]), qos: 0 },
  { topic: 'code/empty', payload: Buffer.alloc(0), qos: 1 },
  { topic: 'code/long', payload: Buffer.from('0123456789'.repeat(4000)), qos: 0 },
  { topic: 'code/many bytes', payload: Buffer.alloc(5000, 0xfe), qos: 2 },
  { topic: `code/hidden\u202e\u200b'x`, payload: Buffer.from('-n \ufeff 温度 🌡'), qos: 1, retain: true },
  {
    topic: 'code/properties',
    payload: Buffer.from('{"a":1}'),
    qos: 1,
    properties: {
      payloadFormatIndicator: true,
      messageExpiryInterval: 600,
      contentType: 'application/json; x',
      responseTopic: "code/answer's",
      correlationData: Buffer.from([0xff, 0xfe, 0x27]),
      userProperties: { who: ['a b', "c'd"], '': 'empty name' },
    },
  },
  { topic: 'code/zero', payload: Buffer.from('x'), qos: 0, properties: { correlationData: Buffer.from([0, 1]) }, notByShell: true },
]

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showCode(browser, binary) {
  const pythons = await Promise.all(PAHO.map(python))
  const broker = await startBroker(binary)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'en', theme: 'light', width: 1366, height: 768 })
  const client = await mqtt.connectAsync(`mqtt://${broker.host}:${broker.mqtt}`, { protocolVersion: 5, reconnectPeriod: 0 })
  try {
    await signIn(page, broker.page)
    await page.goto(`${broker.page}/mqtt-client`)
    await page.click('[data-mqtt=connect]')
    await page.fill('[data-mqtt=filter]', 'code/#')
    await page.selectOption('.pane select', '2')
    // So that a retained one is seen as one.
    await page.click('.pane .more summary')
    await page.click('.pane label:has-text("Retain As Published")')
    await page.click('[data-mqtt=subscribe]:enabled')
    await page.waitForSelector('.pane .filter')
    for (const one of CASES) await client.publishAsync(one.topic, one.payload, one)
    await page.waitForFunction((n) => document.querySelector('[data-count=received]')?.textContent === String(n), CASES.length)
    await client.subscribeAsync('code/#', { qos: 2, rap: true, rh: 2 })

    let programs = 0
    for (const [at, one] of CASES.entries()) {
      await page.locator('[role=log]').evaluate((box, to) => box.scrollTo(0, to), at * 46)
      await page.click(`.message:has-text("${one.topic.split('\u202e')[0]}")`)
      await page.click('[data-mqtt=code]')
      const shell = await page.locator('[data-code=mosquitto]').textContent()
      await page.click('[data-code-for=python]')
      const script = await page.locator('[data-code=python]').textContent()
      await page.keyboard.press('Escape')
      if (!one.notByShell) {
        await arrives(client, one, () => run('sh', ['-c', shell ?? '']))
        programs += 1
      }
      for (const program of pythons) {
        await arrives(client, one, () => run(program, ['-c', script ?? '']))
        programs += 1
      }
    }
    assert.deepEqual(faults, [])
    console.log(`code: ${programs} programs of ${CASES.length} messages ran, with mosquitto_pub and paho-mqtt ${PAHO.join(' and ')}`)
  } finally {
    client.end(true)
    await close()
    await broker.end()
  }
}

/** The message comes again, all of it. @param {import('mqtt').MqttClient} client @param {Case} wanted @param {() => Promise<unknown>} send */
async function arrives(client, wanted, send) {
  const { promise, timer } = next(client)
  await send()
  const { topic, payload, packet } = await promise
  clearTimeout(timer)
  const { messageExpiryInterval, ...properties } = packet.properties ?? {}
  const { messageExpiryInterval: expiry, ...rest } = wanted.properties ?? {}
  assert.equal(topic, wanted.topic)
  assert.deepEqual(Buffer.from(payload), wanted.payload, wanted.topic)
  assert.equal(packet.qos, wanted.qos, wanted.topic)
  assert.equal(packet.retain, wanted.retain ?? false, wanted.topic)
  // What has expired in part is a little less.
  assert.ok(expiry === undefined ? messageExpiryInterval === undefined : Math.abs((messageExpiryInterval ?? 0) - expiry) < 60, wanted.topic)
  assert.deepEqual(plain(properties), plain(rest), wanted.topic)
}

/** As JSON, so that prototypes do not count. @param {object} properties */
function plain(properties) {
  return JSON.parse(JSON.stringify(properties))
}

/** @param {import('mqtt').MqttClient} client */
function next(client) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const promise = new Promise((/** @type {(got: { topic: string, payload: Buffer, packet: import('mqtt').IPublishPacket }) => void} */ done, fail) => {
    timer = setTimeout(() => fail(new Error('nothing arrived')), ARRIVE_MS)
    client.once('message', (topic, payload, packet) => done({ topic, payload, packet }))
  })
  return { promise, timer }
}
