// A crowd of clients that send, by the load generator, which is no part of this repository.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Until all clients are there and send. */
const CONNECT_SECS = 30

/**
 * Begins, and waits until the broker takes as much in as was asked for.
 * @param {number} port @param {import('./page.js').Call} call @param {string | undefined} loadgen
 * @param {{ shape: 'pair' | 'fanin', pubs: number, subs: number, rate: number, seconds: number }} what
 */
export async function crowd(port, call, loadgen, { shape, pubs, subs, rate, seconds }) {
  if (loadgen === undefined) throw new Error('where is the load generator? It is no part of this repository: --loadgen PATH, or TERNMQ_LOADGEN')
  const options = { shape, pubs, subs, rate, size: 64, qos: 0, seconds, port }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn('nice', ['-n', '10', loadgen, 'latency', ...args], { stdio: 'ignore' })
  const mustRun = () => assert.ok(child.exitCode === null && child.signalCode === null, 'the load ended before its time')
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill()
    await once(child, 'exit')
  }
  try {
    const until = Date.now() + CONNECT_SECS * 1000
    for (;;) {
      const { live_connections: clients, received_msg_rate: received } = await call('GET', '/monitor_current')
      if (clients >= pubs + subs && received >= 0.9 * rate) return { clients, received, mustRun, end }
      mustRun()
      assert.ok(Date.now() < until, `only ${clients} clients and ${received} messages a second`)
      await new Promise((done) => setTimeout(done, 500))
    }
  } catch (error) {
    await end()
    throw error
  }
}
