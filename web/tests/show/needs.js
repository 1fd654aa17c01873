// What may need attention, each with what brings it about and what cures it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { access, open, readdir, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import mqtt from 'mqtt'

const run = promisify(execFile)
const MINUTE_MS = 60_000
const MB = 1024 * 1024

/** Of the broker's own disk, in megabytes, and what is put on it. */
export const DISK_MB = 64
const BALLAST_MB = 54
/** Connections that its listener takes, and how many come. */
const CONNECTIONS_MAX = 100
const CROWD = 85
const QUEUE_MAX = 10
const WINDOW = 5
/** Of a listener's, in their folder: its certificate, and the authority of its clients' with what was revoked. */
const CERTIFICATE = 'broker.pem'
const KEY = 'broker.key'
const AUTHORITY = 'clients.pem'
const AUTHORITY_KEY = 'clients.key'
const LIST = 'revoked.pem'
/** Days of one that is good for long, and of one that is not. */
export const LONG_DAYS = 400
const SHORT_DAYS = 3
const LIST_SHORT_DAYS = 2

/** What the broker's file says; its certificate is in a folder. @param {string} folder */
export const fileOf = (folder) => `[mqtt]
max_inflight = ${WINDOW}
max_queue = ${QUEUE_MAX}
slow_grace = "0ms"

[listeners.tcp.default]
max_connections = ${CONNECTIONS_MAX}

[listeners.ssl.default.ssl_options]
certfile = "${join(folder, CERTIFICATE)}"
keyfile = "${join(folder, KEY)}"
verify = "verify_peer"
cacertfile = "${join(folder, AUTHORITY)}"
crlfile = "${join(folder, LIST)}"
`

/** Puts a certificate there that is good for so many days. @param {string} folder @param {number} days */
export function certify(folder, days) {
  return signed(folder, KEY, CERTIFICATE, days)
}

/** Puts a list there of what was revoked, which is nothing, good for so many days. @param {string} folder @param {number} days */
export async function revoke(folder, days) {
  const of = (/** @type {string} */ name) => join(folder, name)
  await signed(folder, AUTHORITY_KEY, AUTHORITY, LONG_DAYS)
  const book = `[ca]\ndefault_ca = own\n[own]\ndatabase = ${of('revoked.txt')}\ncrlnumber = ${of('number')}\ndefault_md = sha256\ncrl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n`
  await Promise.all([writeFile(of('ca.cnf'), book), writeFile(of('revoked.txt'), ''), writeFile(of('number'), '01')])
  await run('openssl', ['ca', '-config', of('ca.cnf'), '-gencrl', '-keyfile', of(AUTHORITY_KEY), '-cert', of(AUTHORITY), '-crldays', String(days), '-out', of(LIST)])
}

/** A certificate by its own key, which is made at the first time. @param {string} folder @param {string} key @param {string} file @param {number} days */
async function signed(folder, key, file, days) {
  const own = join(folder, key)
  const isThere = await access(own).then(() => true, () => false)
  if (!isThere) await run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', own])
  await run('openssl', ['req', '-x509', '-new', '-key', own, '-subj', `/CN=${file}`, '-days', String(days), '-out', join(folder, file)])
}

/** What the broker takes for the machine's memory, of which so many percent are used. @param {number} percent */
export function memory(percent) {
  const total = 1_000_000
  return `MemTotal: ${total} kB\nMemFree: 1 kB\nMemAvailable: ${total - (total / 100) * percent} kB\n`
}

/**
 * What they work with: `disk` is the broker's folder and `memory` its file of memory, `room` is where its certificate
 * is, `client` makes a client that goes when all is over.
 * @typedef {{
 *   broker: import('../walk/broker.js').Broker, call: import('./page.js').Call, disk: string, memory: string, room: string,
 *   client: (id: string, options?: import('mqtt').IClientOptions) => Promise<import('mqtt').MqttClient>,
 * }} Scene
 * Provokes it, and gives what cures it. `who` is named by it; `waits` is how long it has to last before it is told,
 * `lasts` how long it is told after it is over.
 * @typedef {{ who?: string, waits?: number, lasts?: number, provoke: (scene: Scene) => Promise<() => Promise<unknown>> }} Need
 */

const nothing = () => Promise.resolve()

/** @type {Record<string, Need>} */
export const NEEDS = {
  shared_client_id: {
    who: 'twin',
    // Whoever throws another out may wait for minutes before the next try.
    lasts: 5 * MINUTE_MS,
    async provoke({ client }) {
      for (let n = 0; n < 3; n += 1) await client('twin')
      return nothing
    },
  },
  messages_lost: {
    who: 'narrow',
    // A loss is news for a minute.
    lasts: MINUTE_MS,
    async provoke({ client }) {
      const narrow = await client('narrow', { protocolVersion: 5, properties: { maximumPacketSize: 100 } })
      await narrow.subscribeAsync('wide')
      await (await client('generous')).publishAsync('wide', 'x'.repeat(200), { qos: 1 })
      return nothing
    },
  },
  nearly_subscribed_topic: {
    who: 'Lab/value',
    // It was published to within the last half minute.
    lasts: MINUTE_MS / 2,
    async provoke({ client }) {
      await (await client('careful')).subscribeAsync('lab/value')
      const writer = await client('careless')
      await writer.publishAsync('Lab/value', '1', { qos: 1 })
      return () => writer.publishAsync('lab/value', '1', { qos: 1 })
    },
  },
  not_subscribed_again: {
    who: 'forgetful',
    async provoke({ client }) {
      const first = await client('forgetful')
      await first.subscribeAsync('memory')
      await first.endAsync()
      const second = await client('forgetful')
      return () => second.subscribeAsync('memory')
    },
  },
  refused_repeatedly: {
    who: 'stranger',
    async provoke({ broker, call, client }) {
      await call('POST', '/banned', { as: 'clientid', who: 'stranger' })
      const url = `mqtt://${broker.host}:${broker.mqtt}`
      for (let n = 0; n < 3; n += 1) {
        await new Promise((done) => mqtt.connect(url, { clientId: 'stranger', reconnectPeriod: 0 }).on('error', nothing).on('close', () => done(null)))
      }
      return async () => {
        await call('DELETE', '/banned/clientid/stranger')
        await client('stranger')
      }
    },
  },
  slow_subscriber: { who: 'lazy', provoke: (scene) => queue(scene, 'lazy') },
  high_queues: { provoke: (scene) => queue(scene, 'idle') },
  open_to_public: {
    who: '128.0.0.0/1',
    async provoke({ call }) {
      await call('PUT', '/settings/lan_guard.trusted', { value: ['128.0.0.0/1'] })
      return () => call('DELETE', '/settings/lan_guard.trusted')
    },
  },
  setting_overridden: {
    who: 'mqtt.max_inflight',
    async provoke({ call }) {
      await call('PUT', '/settings/mqtt.max_inflight', { value: WINDOW + 1 })
      return () => call('DELETE', '/settings/mqtt.max_inflight')
    },
  },
  certificate_expires: {
    who: 'ssl:default',
    async provoke({ room }) {
      await certify(room, SHORT_DAYS)
      return () => certify(room, LONG_DAYS)
    },
  },
  revocation_list_expires: {
    who: 'ssl:default',
    async provoke({ room }) {
      await revoke(room, LIST_SHORT_DAYS)
      return () => revoke(room, LONG_DAYS)
    },
  },
  certificate_unusable: {
    who: 'ssl:default',
    async provoke({ room }) {
      await writeFile(join(room, CERTIFICATE), 'no certificate')
      return () => certify(room, LONG_DAYS)
    },
  },
  high_connections: {
    async provoke({ client }) {
      const crowd = await Promise.all(Array.from({ length: CROWD }, (_, n) => client(`crowd-${n}`)))
      return () => Promise.all(crowd.map((one) => one.endAsync()))
    },
  },
  high_file_descriptors: {
    async provoke({ broker }) {
      const of = ['--pid', String(broker.pid())]
      const { stdout } = await run('prlimit', [...of, '--nofile', '--output', 'SOFT', '--noheadings'])
      const open = (await readdir(`/proc/${broker.pid()}/fd`)).length
      await run('prlimit', [...of, `--nofile=${Math.floor(open * 1.1)}:`])
      return () => run('prlimit', [...of, `--nofile=${stdout.trim()}:`])
    },
  },
  high_disk: {
    async provoke({ disk }) {
      const ballast = join(disk, 'ballast')
      const file = await open(ballast, 'w')
      for (let n = 0; n < BALLAST_MB; n += 1) await file.write(Buffer.alloc(MB, 1))
      await file.close()
      return () => rm(ballast)
    },
  },
  high_memory: {
    async provoke(scene) {
      await writeFile(scene.memory, memory(90))
      return () => writeFile(scene.memory, memory(20))
    },
  },
  high_cpu: {
    // A processor is busy now and then: it has to be for a minute.
    waits: MINUTE_MS,
    async provoke() {
      const burners = Array.from({ length: availableParallelism() }, () => spawn('nice', ['-n', '19', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' }))
      return async () => burners.forEach((one) => one.kill('SIGKILL'))
    },
  },
}

/** Somebody acknowledges nothing until it is cured. @param {Scene} scene @param {string} id */
async function queue({ client }, id) {
  const reader = await client(id)
  /** @type {(() => void)[]} */
  const held = []
  reader.handleMessage = (_, taken) => void held.push(() => taken())
  await reader.subscribeAsync(id, { qos: 1 })
  const writer = await client(`${id}-writer`)
  for (let n = 0; n < WINDOW + QUEUE_MAX - 1; n += 1) await writer.publishAsync(id, String(n), { qos: 1 })
  return async () => {
    reader.handleMessage = (_, taken) => taken()
    for (const take of held) take()
    assert.ok(held.length > 0, 'nothing came')
  }
}
