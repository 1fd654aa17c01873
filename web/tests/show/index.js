// What was promised of the dashboard, measured: `npm run show -- path/to/ternmq [LINE] [--seconds N]
// [--loadgen PATH] [--pictures FOLDER]`. 1: the tutorial on two machines. 2: the flow picture, and what needs
// attention. 3: the page's client under load. 4: names that mean harm. 5: how soon it is there, and for whom.
// 6: messages as programs.
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

/** @type {import('../walk/browser.js').Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'en', theme: 'dark', width: 360, height: 720 },
]

/** @type {Record<string, (browser: import('playwright-core').Browser) => Promise<void>>} */
const LINES = {
  async 1() {
    // While there is a network that leads to others.
    for (const version of PAHO) await python(version)
    await onTwoMachines(fileURLToPath(new URL('tutorial.js', import.meta.url)), [binary, resolve(values.pictures)])
    console.log(`pictures of every page: ${resolve(values.pictures)}`)
  },
  async 2(browser) {
    await showTutorialFlow(browser, binary)
    await showCrowdedFlow(browser, binary, loadgen)
    await showAttention(browser, binary)
  },
  async 3(browser) {
    await showLoad(browser, binary, { seconds })
    await showStarved(browser, binary)
    await showExplorer(browser, binary, { loadgen, seconds })
  },
  async 4(browser) {
    for (const look of LOOKS) await walkHostile(browser, binary, look, { messages: HOSTILE.length })
  },
  async 5(browser) {
    await showCold(browser, binary)
    await showRows(browser, binary)
    await showKeyboard(browser, binary)
    await showAccessible(browser, binary)
  },
  6: (browser) => showCode(browser, binary),
}

const wanted = line === undefined ? Object.keys(LINES) : [line]
const browser = await startBrowser()
try {
  for (const one of wanted) {
    const show = LINES[one]
    if (show === undefined) throw new Error(`there is no line ${one}: ${Object.keys(LINES).join(', ')}`)
    await show(browser)
    console.log(`show: line ${one} holds`)
  }
} finally {
  await browser.close()
}
