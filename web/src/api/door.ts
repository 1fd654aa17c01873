// What every call passes on its way: the mark that a script of ours sent it, the password that may have
// to be set first, the end of a session, and whether the broker answers at all.
import { Failure, failureOf } from './failure'

/** What the rest of the page does when a call meets one of these. */
export interface Porter {
  /** How whoever has no session comes in; null for everybody else, who has a cookie. */
  authorization(): string | null
  /** As far as the page knows, the default password is in use and changes would be refused. */
  mustSetPassword(): boolean
  /** Asks for one: true once it was set and the change may go on. */
  setPassword(): Promise<boolean>
  /** The session is over. */
  signedOut(): void
  /** The broker answered, or did not. */
  heard(answered: boolean): void
}

let porter: Porter = {
  authorization: () => null,
  mustSetPassword: () => false,
  setPassword: async () => false,
  signedOut: () => undefined,
  heard: () => undefined,
}

export function employ(one: Porter): void {
  porter = one
}

const PATIENCE_MS = 15_000
/** Calls that last as long as there is data to write. */
const LASTS = /\/data\/(export|import)$/
/** Changes that go through without a password set. */
const BEFORE_PASSWORD = /\/(login|logout|change_pwd)$/
/** What changes nothing but what this page is told, and questions that have a body. */
const OWN = /\/(live\/[^/]+|authorization\/check)$/
const OVER = new Set(['BAD_TOKEN', 'TOKEN_TIME_OUT', 'AUTHORIZATION_HEADER_ERROR'])

/** The place of `fetch` in the typed client. An answer that is no success is thrown as a `Failure`. */
export async function send(request: Request): Promise<Response> {
  const again = request.clone()
  const path = new URL(request.url).pathname
  const isChange = request.method !== 'GET' && !BEFORE_PASSWORD.test(path) && !OWN.test(path)
  // Asked before, because a refusal stands in the browser's console as an error.
  if (isChange) await mayChange()
  try {
    return await attempt(request)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.status === 401 && OVER.has(error.code)) porter.signedOut()
    if (error.code === 'SET_PASSWORD_FIRST' && (await porter.setPassword())) return attempt(again)
    throw error
  }
}

/** Goes on once a password is set. */
export async function mayChange(): Promise<void> {
  if (porter.mustSetPassword() && !(await porter.setPassword())) throw new Failure(403, 'SET_PASSWORD_FIRST', 'no password was set')
}

/** Opens when nobody changes who is signed in. */
let gate: Promise<void> = Promise.resolve()
const underWay = new Set<Promise<Response>>()

/**
 * Changes who is signed in while nothing else is under way: all sessions of a person end with the old
 * password, and what was asked with one of them would be refused.
 */
export async function alone<T>(change: () => Promise<T>): Promise<T> {
  let open: () => void = () => undefined
  gate = new Promise((done) => (open = done))
  try {
    await Promise.allSettled(underWay)
    return await change()
  } finally {
    open()
  }
}

async function attempt(request: Request): Promise<Response> {
  if (BEFORE_PASSWORD.test(new URL(request.url).pathname)) return ask(request)
  await gate
  const lasts = LASTS.test(new URL(request.url).pathname)
  const asked = lasts ? ask(request, new AbortController().signal) : ask(request)
  underWay.add(asked)
  try {
    return await asked
  } finally {
    underWay.delete(asked)
  }
}

/** An answer that goes on and on: there is patience for its head alone, and nobody waits for its end. */
export async function listen(request: Request): Promise<Response> {
  await gate
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), PATIENCE_MS)
  try {
    return await ask(request, late.signal)
  } catch (error) {
    if (error instanceof Failure && error.status === 401 && OVER.has(error.code)) porter.signedOut()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function ask(request: Request, patience = AbortSignal.timeout(PATIENCE_MS)): Promise<Response> {
  const headers = new Headers(request.headers)
  // Pages of others cannot send it; with it the cookie is enough.
  headers.set('x-requested-with', 'dashboard')
  const authorization = porter.authorization()
  if (authorization !== null) headers.set('authorization', authorization)
  let response: Response
  try {
    response = await fetch(new Request(request, { headers, signal: AbortSignal.any([request.signal, patience]) }))
  } catch (error) {
    if (request.signal.aborted) throw error
    porter.heard(false)
    throw new Failure(0, 'UNREACHABLE', String(error))
  }
  porter.heard(true)
  if (response.ok) return response
  throw await refusal(response)
}

async function refusal(response: Response): Promise<Failure> {
  return failureOf(response.status, await response.text(), response.headers.get('retry-after'))
}
