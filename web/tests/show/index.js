// What was promised of the dashboard, measured: `npm run show -- path/to/ternmq [LINE] [--seconds N]`.
// 3: the page's client under load. 4: names that mean harm. 5: how soon it is there, and for whom. 6: messages
// as programs.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { walkHostile } from '../hostile/index.js'
import { HOSTILE } from '../hostile/strings.js'
import { startBrowser } from '../walk/browser.js'
import { showAccessible } from './accessible.js'
import { showCode } from './code.js'
import { showCold } from './cold.js'
import { showKeyboard } from './keyboard.js'
import { showLoad } from './load.js'
import { showRows } from './rows.js'

const { positionals, values } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '600' } } })
const [path = '../target/release/ternmq', line] = positionals
const binary = resolve(path)
const seconds = Number(values.seconds)

/** @type {import('../walk/browser.js').Look[]} */
const LOOKS = [
  { lang: 'zh', theme: 'light', width: 1366, height: 768 },
  { lang: 'en', theme: 'dark', width: 360, height: 720 },
]

/** @type {Record<string, (browser: import('playwright-core').Browser) => Promise<void>>} */
const LINES = {
  3: (browser) => showLoad(browser, binary, { seconds }),
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
