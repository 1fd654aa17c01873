// A broker of our own for a walk: the built binary, ports chosen by the system, a data directory that goes
// with it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const HOST = '127.0.0.1'
const START_MS = 20_000

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

/** @param {string} binary */
export async function startBroker(binary) {
  const [mqtt, ws, http] = [await freePort(), await freePort(), await freePort()]
  const data = await mkdtemp(join(tmpdir(), 'ternmq-walk-'))
  const args = [
    ...['--data-dir', join(data, 'd')],
    ...flags({
      'listeners.tcp.default.bind': `${HOST}:${mqtt}`,
      'listeners.ws.default.bind': `${HOST}:${ws}`,
      'dashboard.bind': `${HOST}:${http}`,
    }),
  ]
  /** @type {import('node:child_process').ChildProcess} */
  let process = spawn(binary, args, { stdio: 'ignore' })
  const page = `http://${HOST}:${http}`
  await answers(page, process)

  return {
    page,
    host: HOST,
    mqtt,
    stop: () => end(process),
    /** Again, on the same data. */
    async start() {
      process = spawn(binary, args, { stdio: 'ignore' })
      await answers(page, process)
    },
    async end() {
      await end(process)
      await rm(data, { recursive: true, force: true })
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

/** @param {import('node:child_process').ChildProcess} process */
async function end(process) {
  if (process.exitCode !== null) return
  process.kill('SIGTERM')
  await once(process, 'exit')
}
