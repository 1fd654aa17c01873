// Debian's Chromium, and what it must not say: errors in the console, refusals of the content policy,
// requests to other hosts, a page wider than its window.
import { chromium } from 'playwright-core'

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function startBrowser() {
  return chromium.launch({ executablePath: PROGRAM, headless: true, args: ARGS })
}

/** @typedef {{ lang: 'zh' | 'en', theme: 'light' | 'dark', width: number, height: number }} Look */

/**
 * A page as one person has it.
 * @param {import('playwright-core').Browser} browser
 * @param {string} home
 * @param {Look} look
 * @param {Awaited<ReturnType<import('playwright-core').BrowserContext['storageState']>>} [state] of somebody who signed in
 */
export async function openPage(browser, home, look, state) {
  const context = await browser.newContext({
    ...(state === undefined ? {} : { storageState: state }),
    viewport: { width: look.width, height: look.height },
    locale: look.lang === 'zh' ? 'zh-CN' : 'en-GB',
    colorScheme: look.theme,
  })
  const page = await context.newPage()
  /** @type {string[]} */
  const faults = []
  page.on('console', (message) => {
    // The policy's refusals come this way, too.
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()} ${message.location().url}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  const asked = (/** @type {string} */ url) => {
    if (!url.startsWith(`${home}/`) && !/^(data|blob):/.test(url)) faults.push(`request to another host: ${url}`)
  }
  // Of every page of this person's, and of workers.
  context.on('request', (request) => asked(request.url()))
  page.on('websocket', (socket) => asked(socket.url().replace(/^ws/, 'http')))
  return { page, faults, close: () => context.close() }
}

/** @param {import('playwright-core').Page} page */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
}

/**
 * Until the page, or what lies over it, shows what it is about, and nothing that is still coming.
 * @param {import('playwright-core').Page} page
 */
export async function settled(page, of = 'main') {
  await page.waitForFunction((selector) => {
    const part = document.querySelector(selector)
    return part !== null && part.childElementCount > 0 && part.querySelector('[aria-busy=true]') === null
  }, of)
}
