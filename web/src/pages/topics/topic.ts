// The topic tree as the API gives it: a branch is the beginning of topics, `null` the root of all.
import { api, body, type Answer } from '@/api'
import { bytesOf } from '@/payload/bytes'

export type Branch = Answer<'/api/v5/topic_tree'>
export type Level = Branch['levels'][number]
export type Message = Answer<'/api/v5/topic_tree/messages'>[number]
export type Around = Answer<'/api/v5/topic_tree/clients'>
/** A payload as it comes: its head, if it is long. */
export type Given = Pick<Message, 'payload' | 'payload_encoding'>

export function branchOf(branch: string | null, signal: AbortSignal): Promise<Branch> {
  return body(api.GET('/api/v5/topic_tree', { params: { query: branch === null ? {} : { branch } }, signal }))
}

export async function messagesOf(topic: string, signal: AbortSignal): Promise<readonly Message[]> {
  return body(api.GET('/api/v5/topic_tree/messages', { params: { query: { topic } }, signal }))
}

export function clientsOf(topic: string, signal: AbortSignal): Promise<Around> {
  return body(api.GET('/api/v5/topic_tree/clients', { params: { query: { topic } }, signal }))
}

export function below(branch: string | null, name: string): string {
  return branch === null ? name : `${branch}/${name}`
}

/** The branch that a topic or branch stands in. */
export function above(path: string): string | null {
  const at = path.lastIndexOf('/')
  return at < 0 ? null : path.slice(0, at)
}

/** What begins with the broker's own sign, which wildcards pass over. */
export function isSystem(path: string): boolean {
  return path.startsWith('$')
}

export function payloadOf(given: Given): Uint8Array {
  return bytesOf(given.payload, given.payload_encoding === 'base64' ? 'base64' : 'text') ?? new Uint8Array()
}
