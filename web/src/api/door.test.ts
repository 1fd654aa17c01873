import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { alone, employ, send } from './door'
import { Failure } from './failure'

const answers: (Response | Error)[] = []
const asked: Request[] = []
const porter = {
  authorization: () => null,
  mustSetPassword: vi.fn(() => false),
  setPassword: vi.fn(async () => true),
  signedOut: vi.fn(),
  heard: vi.fn(),
}

beforeEach(() => {
  answers.length = 0
  asked.length = 0
  vi.clearAllMocks()
  employ(porter)
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(request)
    const answer = answers.shift()
    if (answer instanceof Response) return answer
    throw answer ?? new Error('not expected')
  })
})
afterEach(() => vi.unstubAllGlobals())

function refused(status: number, code: string, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ code, message: 'why' }), { status, headers })
}

const change = () => new Request('http://broker/api/v5/clients/kickout/bulk', { method: 'POST', body: '["a"]' })
const look = () => new Request('http://broker/api/v5/clients')

async function failure(of: Promise<unknown>): Promise<Failure> {
  const error: unknown = await of.catch((one: unknown) => one)
  if (!(error instanceof Failure)) throw new Error('no failure')
  return error
}

it('marks calls as those of a script of ours', async () => {
  answers.push(new Response('{}'))
  await send(look())
  expect(asked[0]?.headers.get('x-requested-with')).toBe('dashboard')
  expect(porter.heard).toHaveBeenCalledWith(true)
})

it('repeats a change once the password it was refused for is set', async () => {
  answers.push(refused(403, 'SET_PASSWORD_FIRST'), new Response(null, { status: 204 }))
  expect((await send(change())).status).toBe(204)
  expect(asked).toHaveLength(2)
  expect(await asked[1]?.text()).toBe('["a"]')
})

it('does not repeat it when nobody sets one', async () => {
  porter.setPassword.mockResolvedValueOnce(false)
  answers.push(refused(403, 'SET_PASSWORD_FIRST'))
  expect((await failure(send(change()))).code).toBe('SET_PASSWORD_FIRST')
  expect(asked).toHaveLength(1)
})

it('asks for the password before a change that would be refused, and for nothing else', async () => {
  porter.mustSetPassword.mockReturnValue(true)
  porter.setPassword.mockResolvedValueOnce(false)
  expect((await failure(send(change()))).code).toBe('SET_PASSWORD_FIRST')
  expect(asked).toHaveLength(0)
  answers.push(new Response('{}'), new Response('{}'))
  await send(look())
  await send(new Request('http://broker/api/v5/login', { method: 'POST', body: '{}' }))
  expect(porter.setPassword).toHaveBeenCalledTimes(1)
  porter.mustSetPassword.mockReturnValue(false)
})

it('knows when a session is over, and when it is only a wrong password', async () => {
  answers.push(refused(401, 'TOKEN_TIME_OUT'))
  await failure(send(look()))
  expect(porter.signedOut).toHaveBeenCalledTimes(1)
  answers.push(refused(401, 'BAD_USERNAME_OR_PWD'))
  await failure(send(look()))
  expect(porter.signedOut).toHaveBeenCalledTimes(1)
})

it('tells how long to wait, and that nobody answers', async () => {
  answers.push(refused(429, 'TOO_MANY_ATTEMPTS', { 'retry-after': '7' }))
  expect((await failure(send(look()))).waitSecs).toBe(7)
  answers.push(new TypeError('network'))
  expect((await failure(send(look()))).code).toBe('UNREACHABLE')
  expect(porter.heard).toHaveBeenLastCalledWith(false)
})

it('takes an answer of somebody in between for what it is', async () => {
  answers.push(new Response('<html>Bad Gateway</html>', { status: 502 }))
  expect(await failure(send(look()))).toMatchObject({ code: 'HTTP_502', message: '<html>Bad Gateway</html>' })
})

it('lets nothing pass while it changes who is signed in', async () => {
  const order: string[] = []
  let answer: (response: Response) => void = () => undefined
  vi.stubGlobal('fetch', (request: Request) => {
    order.push(new URL(request.url).pathname)
    return new Promise<Response>((done) => (answer = done))
  })
  const before = send(look())
  await vi.waitFor(() => expect(order).toHaveLength(1))
  const changed = alone(async () => void order.push('changed'))
  const after = send(look())
  expect(order).toEqual(['/api/v5/clients'])
  answer(new Response('{}'))
  await before
  await changed
  await vi.waitFor(() => expect(order).toEqual(['/api/v5/clients', 'changed', '/api/v5/clients']))
  answer(new Response('{}'))
  await after
})
