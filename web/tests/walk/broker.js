// A broker of our own for a walk: the built binary, ports chosen by the system, a data directory that goes
// with it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const HOST = '127.0.0.1'
/** Where a broker listens that was told nothing. */
const USUAL = { mqtt: 1883, ws: 8083, http: 18083 }
const START_MS = 20_000
const END_MS = 30_000

async function freePort() {
  const server = createServer()
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP port was asked for')
  await new Promise((done) => server.close(done))
  return address.port
}

/** Settings on the command line. @param {Record<string, string>} settings */
function flags(settings) {
  return Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`])
}

/** @typedef {Awaited<ReturnType<typeof startBroker>>} Broker */

/** Settings that bind it. @param {string} host @param {number} mqtt @param {number} ws @param {number} http */
function binds(host, mqtt, ws, http) {
  return flags({
    'listeners.tcp.default.bind': `${host}:${mqtt}`,
    'listeners.ssl.default.bind': `${host}:0`,
    'listeners.ws.default.bind': `${host}:${ws}`,
    'listeners.wss.default.bind': `${host}:0`,
    'dashboard.bind': `${host}:${http}`,
  })
}

/** @param {string} binary */
export async function startBroker(binary) {
  return startBrokerUnder([], [binary])
}

/**
 * The same started by another program, with arguments of its own; its data in a folder that is there.
 * @param {string[]} under @param {string[]} command @param {string} [data]
 */
export async function startBrokerUnder(under, command, data) {
  const [mqtt, ws, http] = [await freePort(), await freePort(), await freePort()]
  return run([...under, ...command, ...binds(HOST, mqtt, ws, http)], HOST, { mqtt, http }, data)
}

/**
 * With the ports that a broker has which was told nothing: on a machine of its own, where `on` starts programs.
 * @param {string} binary @param {string} host @param {string[]} on
 */
export function startUsualBroker(binary, host, on) {
  return run([...on, binary], host, USUAL)
}

/**
 * The same beside others on this machine, at an address of its own.
 * @param {string} binary
 */
export function startNeighbour(binary) {
  const host = '127.77.0.1'
  return run([binary, ...binds(host, USUAL.mqtt, USUAL.ws, USUAL.http)], host, USUAL)
}

/** @param {string[]} command @param {string} host @param {{ mqtt: number, http: number }} ports @param {string} [given] */
async function run(command, host, { mqtt, http }, given) {
  const data = given ?? (await mkdtemp(join(tmpdir(), 'ternmq-walk-')))
  const [program = '', ...args] = [...command, '--data-dir', join(data, 'd')]
  const start = () => spawn(program, args, { stdio: 'ignore' })
  let process = start()
  const page = `http://${host}:${http}`
  await answers(page, process)

  return {
    page,
    host,
    mqtt,
    pid: () => process.pid ?? 0,
    stop: () => end(process, 'SIGTERM'),
    /** As a power failure does. */
    kill: () => end(process, 'SIGKILL'),
    /** Again, on the same data. */
    async start() {
      process = start()
      await answers(page, process)
    },
    async end() {
      await end(process, 'SIGTERM')
      if (given === undefined) await rm(data, { recursive: true, force: true })
    },
  }
}

/** @param {string} page @param {import('node:child_process').ChildProcess} process */
async function answers(page, process) {
  const until = Date.now() + START_MS
  while (Date.now() < until) {
    if (process.exitCode !== null) throw new Error(`the broker ended with code ${process.exitCode}`)
    const answer = await fetch(`${page}/status`).catch(() => null)
    if (answer?.ok) return
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`the broker did not answer within ${START_MS / 1000} s`)
}

/** @param {import('node:child_process').ChildProcess} process @param {NodeJS.Signals} signal */
async function end(process, signal) {
  if (process.exitCode !== null || process.signalCode !== null) return
  process.kill(signal)
  const stays = setTimeout(() => process.kill('SIGKILL'), END_MS)
  const [code] = await once(process, 'exit')
  clearTimeout(stays)
  if (code === null && signal === 'SIGTERM') throw new Error(`the broker did not end within ${END_MS / 1000} s`)
}
