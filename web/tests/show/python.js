// Python with a generation of paho-mqtt, and the tutorial's two scripts.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Within which a script ends that was asked to. */
const STOP_MS = 5_000
export const PAHO = /** @type {const} */ (['1.6.1', '2.1.0'])

/** A Python with this paho-mqtt, made at the first time. @param {string} version */
export async function python(version) {
  const folder = join(tmpdir(), `ternmq-paho-${version}`)
  const program = join(folder, 'bin', 'python')
  const isThere = await access(program).then(() => true, () => false)
  if (!isThere) {
    await run('python3', ['-m', 'venv', folder])
    await run(program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `paho-mqtt==${version}`])
  }
  return program
}

/**
 * One of the tutorial's scripts, as it is in `examples/python`, on a broker at the usual port.
 * @param {string} program @param {'publisher' | 'subscriber'} which @param {string} host
 */
export function script(program, which, host) {
  const path = fileURLToPath(new URL(`../../../examples/python/mqtt_${which}.py`, import.meta.url))
  const child = spawn(program, [path, host], { stdio: ['ignore', 'ignore', 'inherit'] })
  return {
    /** As from the keyboard. */
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGINT')
      const stays = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await once(child, 'exit')
      clearTimeout(stays)
    },
  }
}
