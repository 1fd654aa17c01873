// What several lines begin with: signed in, with or without a password set.
import assert from 'node:assert/strict'

import { settled } from '../walk/browser.js'

export const PASSWORD = 'shown-to-colleagues-1'

/** As the tutorial says. @param {import('playwright-core').Page} page @param {string} home */
export async function signIn(page, home, password = 'public') {
  await page.goto(home)
  await page.fill('input[name=username]', 'admin')
  await page.fill('input[name=password]', password)
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-figure=in]')
}

/** Another page, as a link within this one opens it. @param {import('playwright-core').Page} page @param {string} path */
export async function open(page, path) {
  await page.evaluate((to) => {
    const isOther = new URL(to, location.origin).pathname !== location.pathname
    if (isOther) for (const part of document.querySelectorAll('main > *')) part.setAttribute('data-before', '')
    // As the router keeps it, so that it finds its way from there.
    const state = { ...history.state, back: history.state?.current ?? null, current: to, forward: null }
    history.pushState(state, '', to)
    dispatchEvent(new PopStateEvent('popstate', { state }))
  }, path)
  // The page before is gone when its parts are.
  await page.waitForFunction(() => document.querySelector('main > *') !== null && document.querySelector('[data-before]') === null)
  await settled(page)
}

/** @typedef {(method: string, path: string, body?: unknown) => Promise<any>} Call */

/** Calls of the API by somebody who signed in. @param {string} home @returns {Promise<Call>} */
export async function caller(home, password = PASSWORD) {
  const ask = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body, /** @type {Record<string, string>} */ who) => {
    const answer = await fetch(`${home}/api/v5${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...who },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
  const { token } = await ask('POST', '/login', { username: 'admin', password }, {})
  return (method, path, body) => ask(method, path, body, { authorization: `Bearer ${token}` })
}

/** The broker in use: its password is set. @param {string} home */
export async function setPassword(home) {
  const call = await caller(home, 'public')
  await call('POST', '/users/admin/change_pwd', { old_pwd: 'public', new_pwd: PASSWORD })
}
