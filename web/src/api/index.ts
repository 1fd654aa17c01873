// The broker's API. Types come from its OpenAPI document, so a call that it does not have does not compile.
import createClient from 'openapi-fetch'

import { send } from './door'
import type { paths } from './schema'

export { Failure, tell } from './failure'

/** What a GET of a path answers. */
export type Answer<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': infer T } } } }
}
  ? T
  : never

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send })

/** The body of an answer; `send` has thrown for all that is no success. */
export async function body<T>(call: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  const { data } = await call
  if (data === undefined || data === null) throw new Error('the answer has no body')
  return data
}
