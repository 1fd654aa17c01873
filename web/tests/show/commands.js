// Commands that pages show, taken from them and run: what a new key is good for, and what mends weak points of files.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { startBrokerUnder } from '../walk/broker.js'
import { openPage, settled } from '../walk/browser.js'
import { PASSWORD, setPassword, signIn } from './page.js'

const run = promisify(execFile)
/** Points whose remedy is a command; in a folder that nobody may enter nothing is readable, so that is mended last. */
const POINTS = ['readable_secrets', 'data_directory']

/** @param {import('playwright-core').Browser} browser @param {string} binary */
export async function showCommands(browser, binary) {
  const room = await mkdtemp(join(tmpdir(), 'ternmq-commands-'))
  const broker = await startBrokerUnder([], [binary], room)
  const { page, faults, close } = await openPage(browser, broker.page, { lang: 'en', theme: 'light', width: 1366, height: 768 })
  try {
    await setPassword(broker.page)
    await signIn(page, broker.page, PASSWORD)
    await page.goto(`${broker.page}/api-keys?do=add`)
    await page.locator('dialog input').first().fill('program')
    await page.click('dialog [data-act=go]')
    const curl = await page.locator('dialog code', { hasText: /^curl / }).textContent()
    const { stdout } = await run('sh', ['-c', curl ?? ''])
    assert.ok(Array.isArray(JSON.parse(stdout).data), `${curl}: ${stdout}`)

    await lay(room)
    for (const point of POINTS) {
      const command = await page.goto(`${broker.page}/security`).then(() => page.locator(`[data-point=${point}] code`).textContent())
      await run('sh', ['-c', command ?? ''])
      await page.goto(`${broker.page}/security`)
      await settled(page)
      await page.waitForSelector(`[data-point=${point}][data-severity=fine]`, { state: 'attached' })
    }
    assert.deepEqual(faults, [])
    console.log(`commands: ${1 + POINTS.length} that pages show ran and did what they say: curl with a new key, and those for ${POINTS.join(' and ')}`)
  } finally {
    await close()
    await broker.end()
    await rm(room, { recursive: true, force: true })
  }
}

/** Everything open to everybody. @param {string} room */
async function lay(room) {
  const data = join(room, 'd')
  const tls = join(data, 'tls')
  await chmod(room, 0o755)
  await chmod(data, 0o777)
  await chmod(tls, 0o755)
  for (const name of await readdir(tls)) await chmod(join(tls, name), 0o644)
}
