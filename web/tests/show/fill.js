// A broker with a little of everything, for pages that shall show something.
import assert from 'node:assert/strict'

import mqtt from 'mqtt'

/** So large that the reader does not take it. */
const LARGE = 200
/** A subscription is slow from here on, and how slow one is. */
const SLOW = '100ms'
const UNHURRIED_MS = 300
const WAIT_MS = 10_000
const ALARM = 'high_connection_usage'

/** Somebody who reads, with something retained, lost and delayed. @param {{ host: string, mqtt: number }} broker */
export async function fill(broker) {
  const url = `mqtt://${broker.host}:${broker.mqtt}`
  const reader = await mqtt.connectAsync(url, { clientId: 'reader', username: 'somebody', protocolVersion: 5, reconnectPeriod: 0, properties: { maximumPacketSize: LARGE / 2 } })
  const writer = await mqtt.connectAsync(url, { clientId: 'writer', reconnectPeriod: 0 })
  await reader.subscribeAsync('lab/#')
  for (let n = 0; n < 20; n += 1) await writer.publishAsync(`lab/${n % 4}/value`, JSON.stringify({ n, value: n / 3 }), { qos: 1, retain: true })
  await writer.publishAsync('lab/large', 'x'.repeat(LARGE), { qos: 1 })
  await writer.publishAsync('nobody/reads', 'x', { qos: 1 })
  await writer.publishAsync('$delayed/600/lab/later', 'x', { qos: 1 })
  return [reader, writer]
}

/** Of access, from two sources. @param {import('./page.js').Call} call */
async function rules(call) {
  const built = '/authorization/sources/built_in_database/rules'
  const rule = (/** @type {string} */ permission, /** @type {string} */ action, /** @type {string} */ topic) => ({ permission, action, topic })
  await call('POST', `${built}/all`, { rules: [rule('deny', 'subscribe', 'private/#'), { ...rule('allow', 'publish', 'dev/${clientid}/#'), qos: [0, 1], retain: false }] })
  await call('POST', `${built}/users`, [{ username: 'anna', rules: [rule('allow', 'all', 'private/anna')] }])
  await call('POST', `${built}/clients`, [{ clientid: 'reader', rules: [rule('deny', 'publish', 'lab/#')] }])
  await call('POST', '/authorization/sources', { type: 'file', rules: '[[rule]]\npermission = "deny"\ntopics = ["elsewhere/#"]\n' })
}

/**
 * What an administrator leaves behind: somebody banned, MQTT users and rules of access, another user, a key, rules, a
 * trace, a backup, a setting; and somebody who was refused, and somebody who was denied something.
 * @param {import('./page.js').Call} call @param {{ host: string, mqtt: number }} broker
 */
export async function furnish(call, broker) {
  await call('POST', '/banned', { as: 'clientid', who: 'intruder', reason: 'no guest' })
  await call('POST', '/authentication?anonymous=keep', { mechanism: 'password_based', backend: 'built_in_database' })
  await call('POST', '/authentication/password_based:built_in_database/users', { user_id: 'anna', password: 'knows-her-way-1', is_superuser: true })
  await call('POST', '/authentication', { mechanism: 'jwt', algorithm: 'hmac-based', secret: 'shared-with-nobody' })
  await rules(call)
  await call('POST', '/users', { username: 'colleague', password: 'looks-on-and-learns-1', role: 'viewer', description: 'next door' })
  await call('POST', '/api_key', { name: 'recorder', desc: 'keeps all', enable: true, role: 'viewer' })
  await call('PUT', '/mqtt/topic_rewrite', [{ action: 'publish', source_topic: 'old/#', re: '^old/(.+)$', dest_topic: 'lab/$1' }])
  await call('PUT', '/mqtt/auto_subscribe', [{ topic: 'to/${clientid}', qos: 1 }])
  await call('POST', '/mqtt/topic_metrics', { topic: 'lab/0/value' })
  await call('PUT', '/slow_subscriptions/settings', { enable: true, threshold: SLOW })
  await call('POST', '/trace', { name: 'reader', type: 'clientid', clientid: 'reader' })
  await call('POST', '/data/export', {})
  await call('PUT', '/settings/mqtt.max_inflight', { value: 60 })
  const url = `mqtt://${broker.host}:${broker.mqtt}`
  const curious = await mqtt.connectAsync(url, { clientId: 'curious', reconnectPeriod: 0 })
  await curious.subscribeAsync('private/plan').catch(() => undefined)
  await curious.endAsync()
  await new Promise((done) => mqtt.connect(url, { clientId: 'intruder', reconnectPeriod: 0 }).on('error', () => undefined).on('close', () => done(null)))
  await slowly(call, url)
  await alarm(call)
  // All networks of the tests, and one half of the world, which is told as a weak point.
  await call('PUT', '/settings/lan_guard.trusted', { value: ['127.0.0.0/8', '10.0.0.0/8', '128.0.0.0/1'] })
}

/** Somebody who takes his time to acknowledge. @param {import('./page.js').Call} call @param {string} url */
async function slowly(call, url) {
  const unhurried = await mqtt.connectAsync(url, { clientId: 'unhurried', reconnectPeriod: 0 })
  unhurried.handleMessage = (_, taken) => void setTimeout(taken, UNHURRIED_MS)
  await unhurried.subscribeAsync('lab/slow', { qos: 1 })
  await unhurried.publishAsync('lab/slow', 'x', { qos: 1 })
  await until('a slow subscription', async () => (await call('GET', '/slow_subscriptions')).data.length > 0)
  await unhurried.endAsync()
}

/** An alarm that is over, whichever others a busy machine has: more than the listener was to take. @param {import('./page.js').Call} call */
async function alarm(call) {
  const most = '/settings/listeners.tcp.default.max_connections'
  const alarms = async (/** @type {boolean} */ isActive) => (await call('GET', `/alarms?activated=${isActive}`)).data.some((/** @type {{ name: string }} */ { name }) => name === ALARM)
  await call('PUT', most, { value: 1 })
  await until('an alarm', () => alarms(true))
  await call('DELETE', most)
  await until('the end of the alarm', () => alarms(false))
}

/** @param {string} what @param {() => Promise<boolean>} isSo */
async function until(what, isSo) {
  for (const end = Date.now() + WAIT_MS; !(await isSo()); await new Promise((done) => setTimeout(done, 100))) assert.ok(Date.now() < end, `${what} does not come`)
}
