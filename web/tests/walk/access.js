// Who may come in and do what: the first MQTT user is made while an anonymous client is connected, anonymous is
// refused from then on, a rule denies, the connection log names it, and one press allows; then all is undone.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

import { removed, row } from './administer.js'

/** @typedef {{ page: string, host: string, mqtt: number }} Broker */
const USER = 'anna'

/**
 * Behind the password that was set.
 * @param {import('playwright-core').Page} page @param {Broker} broker
 */
export async function access(page, broker) {
  const nameless = await mqtt.connectAsync(url(broker), { clientId: 'nameless_walk', reconnectPeriod: 0 })
  nameless.on('error', () => undefined)
  try {
    await weak(page, broker)
    const password = await firstUser(page, broker)
    assert.ok(nameless.connected, 'who is connected stays')
    await assert.rejects(connect(broker, { clientId: 'late' }), 'anonymous was refused')
    await assert.rejects(connect(broker, { clientId: 'wrong', username: USER, password: `${password}x` }))
    const anna = await connect(broker, { clientId: 'annas', username: USER, password })
    await denied(page, broker, anna)
    await tried(page, broker)
    await anna.endAsync()
    await undone(page, broker)
    await (await connect(broker, { clientId: 'again' })).endAsync()
  } finally {
    nameless.end(true)
  }
}

/** @param {Broker} broker */
function url({ host, mqtt: port }) {
  return `mqtt://${host}:${port}`
}

/** @param {Broker} broker @param {import('mqtt').IClientOptions} options */
async function connect(broker, options) {
  const client = await mqtt.connectAsync(url(broker), { protocolVersion: 5, reconnectPeriod: 0, ...options }, false)
  client.on('error', () => undefined)
  return client
}

/** What is weak leads to what helps. @param {import('playwright-core').Page} page @param {Broker} broker */
async function weak(page, broker) {
  await page.goto(`${broker.page}/security`)
  await page.waitForSelector('[data-point=default_password][data-severity=fine]', { state: 'attached' })
  await page.click('[data-point=rules] [data-act=remedy]')
  await page.waitForURL(/\/authorization$/)
}

/** Whose clients those are is named before anybody decides. @param {import('playwright-core').Page} page @param {Broker} broker */
async function firstUser(page, broker) {
  await page.goto(`${broker.page}/mqtt-users?do=add`)
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog [aria-invalid=true]:focus')
  await page.waitForSelector('[data-nameless=nameless_walk]')
  assert.ok(await page.isChecked('[data-fate=refuse]'))
  await page.fill('[data-user=name]', USER)
  await page.click('[data-act=go]')
  const password = await page.locator('[data-made=password]').textContent()
  assert.ok(password)
  await page.keyboard.press('Escape')
  await row(page, USER).waitFor()
  await page.goto(`${broker.page}/authentication`)
  await page.waitForSelector('[data-nameless-allowed=false]')
  return password
}

/** @param {import('playwright-core').Page} page @param {Broker} broker @param {import('mqtt').MqttClient} anna */
async function denied(page, broker, anna) {
  await page.goto(`${broker.page}/authorization?of=users`)
  await page.click('[data-act=add]')
  await page.fill('[data-rule=name]', USER)
  await page.selectOption('dialog select >> nth=0', 'deny')
  await page.fill('[data-rule=topic]', 'secret/#')
  await page.click('[data-act=go]')
  await row(page, 'secret/#').waitFor()
  await assert.rejects(anna.subscribeAsync('secret/plan'))
  await page.goto(`${broker.page}/connection-log?event=denied`)
  assert.match((await row(page, 'secret/plan').locator('[data-decided]').getAttribute('href')) ?? '', new RegExp(`who=${USER}&rule=1`))
  await page.click('[data-act=allow]')
  await page.click('[data-act=go]')
  await page.waitForSelector('dialog', { state: 'detached' })
  await anna.subscribeAsync('secret/plan')
}

/** @param {import('playwright-core').Page} page @param {Broker} broker */
async function tried(page, broker) {
  for (const [topic, verdict] of [['secret/plan', 'allowed'], ['secret/other', 'denied']]) {
    await page.goto(`${broker.page}/authorization?tab=trial&user=${USER}&topic=${topic}`)
    await page.click('[data-trial=go]')
    await page.waitForSelector(`[data-verdict=${verdict}] a[data-decided]`)
  }
  await page.click('[data-decided]')
  await page.waitForSelector('[data-marked]')
}

/** @param {import('playwright-core').Page} page @param {Broker} broker */
async function undone(page, broker) {
  await page.goto(`${broker.page}/authorization?of=users`)
  await removed(page, USER)
  await page.goto(`${broker.page}/authentication`)
  await page.click('[data-act=nameless]')
  await page.click('[data-act=go]')
  await page.waitForSelector('[data-nameless-allowed=true]')
  await removed(page, 'argon2id')
}
