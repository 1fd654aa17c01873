// What was promised of the dashboard, measured: `npm run show -- path/to/ternmq [LINE] [--seconds N]
// [--loadgen PATH] [--pictures FOLDER]`. 1: the tutorial on two machines. 2: the flow picture, and what needs
// attention. 3: the page's client under load. 4: names that mean harm. 5: how soon it is there, and for whom.
// 6: messages as programs, and commands.
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { walkHostile } from '../hostile/index.js'
import { HOSTILE } from '../hostile/strings.js'
import { startBrowser } from '../walk/browser.js'
import { showAccessible } from './accessible.js'
import { showAttention } from './attention.js'
import { showCode } from './code.js'
import { showCold } from './cold.js'
import { showCommands } from './commands.js'
import { showExplorer } from './explorer.js'
import { showCrowdedFlow, showTutorialFlow } from './flow.js'
import { showKeyboard } from './keyboard.js'
import { showLoad, showStarved } from './load.js'
import { onTwoMachines } from './machines.js'
import { PAHO, python } from './python.js'
import { showRows } from './rows.js'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '600' },
    loadgen: { type: 'string' },
    pictures: { type: 'string', default: join(tmpdir(), 'ternmq-pictures') },
  },
})
const [path = '../target/release/ternmq', line] = positionals
const binary = resolve(path)
const seconds = Number(values.seconds)
const loadgen = values.loadgen ?? process.env.TERNMQ_LOADGEN

/** @typedef {import('playwright-core').Browser} Browser */

/** @type {import('../walk/browser.js').Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'en', theme: 'dark', width: 360, height: 720 },
]

/** @param {Browser} browser @param {import('../walk/browser.js').Look} look */
function hostile(browser, look) {
  return walkHostile(browser, binary, look, { messages: HOSTILE.length })
}

async function tutorial() {
  // While there is a network that leads to others.
  for (const version of PAHO) await python(version)
  await onTwoMachines(fileURLToPath(new URL('tutorial.js', import.meta.url)), [binary, resolve(values.pictures)])
  console.log(`pictures of every page: ${resolve(values.pictures)}`)
}

/** The parts of each line. @type {Record<string, Record<string, (browser: Browser) => Promise<void>>>} */
const LINES = {
  1: { tutorial },
  2: {
    'flow of the tutorial': (browser) => showTutorialFlow(browser, binary),
    'flow of a crowd': (browser) => showCrowdedFlow(browser, binary, loadgen),
    attention: (browser) => showAttention(browser, binary),
  },
  3: {
    client: (browser) => showLoad(browser, binary, { seconds }),
    'starved client': (browser) => showStarved(browser, binary),
    explorer: (browser) => showExplorer(browser, binary, { loadgen, seconds }),
  },
  4: Object.fromEntries(LOOKS.map((look) => [`hostile, ${look.width} px`, (browser) => hostile(browser, look)])),
  5: {
    'cold load': (browser) => showCold(browser, binary),
    rows: (browser) => showRows(browser, binary),
    keyboard: (browser) => showKeyboard(browser, binary),
    axe: (browser) => showAccessible(browser, binary),
  },
  6: {
    messages: (browser) => showCode(browser, binary),
    commands: (browser) => showCommands(browser, binary),
  },
}

/** @type {string[]} */
const failed = []
for (const one of line === undefined ? Object.keys(LINES) : [line]) {
  const parts = LINES[one]
  if (parts === undefined) throw new Error(`there is no line ${one}: ${Object.keys(LINES).join(', ')}`)
  for (const [part, show] of Object.entries(parts)) {
    // One of its own for each, so that none has what the one before has left; and a part that fails keeps none from being seen.
    const browser = await startBrowser()
    const begun = Date.now()
    const after = () => `after ${Math.round((Date.now() - begun) / 1000)} s`
    try {
      await show(browser)
      console.log(`show: ${one}, ${part}: holds ${after()}`)
    } catch (error) {
      console.error(`show: ${one}, ${part}: FAILED ${after()}:`, error)
      failed.push(`${one}, ${part}`)
    } finally {
      await browser.close()
    }
  }
}
console.log(failed.length === 0 ? 'show: all holds' : `show: FAILED: ${failed.join('; ')}`)
// Whatever may still be open.
process.exit(failed.length === 0 ? 0 : 1)
