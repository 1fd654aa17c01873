// What several lines begin with: signed in, with or without a password set.
import assert from 'node:assert/strict'

export const PASSWORD = 'shown-to-colleagues-1'

/** As the tutorial says. @param {import('playwright-core').Page} page @param {string} home */
export async function signIn(page, home, password = 'public') {
  await page.goto(home)
  await page.fill('input[name=username]', 'admin')
  await page.fill('input[name=password]', password)
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-figure=in]')
}

/** @param {string} home @param {string} path @param {object} body @param {string} [token] @returns {Promise<{ token?: string }>} */
async function post(home, path, body, token) {
  const answer = await fetch(`${home}/api/v5${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${path}: ${answer.status} ${text}`)
  return text === '' ? {} : JSON.parse(text)
}

/** The broker in use: its password is set. @param {string} home */
export async function setPassword(home) {
  const { token } = await post(home, '/login', { username: 'admin', password: 'public' })
  await post(home, '/users/admin/change_pwd', { old_pwd: 'public', new_pwd: PASSWORD }, token)
}
