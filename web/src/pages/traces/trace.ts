// Traces: what is written down of one client, topic or address, packet by packet.
import { api, body, type Answer } from '@/api'
import { isAddress } from '@/design/address'
import { saveAs } from '@/design/save'
import type { Column } from '@/design/table'
import { filterFault } from '@/mqtt/filter'
import { maybe, t } from '@/words'
import { moment, size } from '@/words/format'

export type Trace = Answer<'/api/v5/trace'>[number]
export type Type = 'clientid' | 'topic' | 'ip_address'
export const TYPES: readonly Type[] = ['clientid', 'topic', 'ip_address']

export function listTraces(signal: AbortSignal): Promise<readonly Trace[]> {
  return body(api.GET('/api/v5/trace', { signal }))
}

export interface Order {
  readonly name: string
  readonly type: Type
  readonly target: string
  readonly end_at: string
  readonly payload_encode: 'text' | 'hex' | 'hidden'
}

export async function beginTrace({ target, type, ...order }: Order): Promise<void> {
  await api.POST('/api/v5/trace', { body: { ...order, type, [type]: target } })
}

export async function stopTrace(name: string): Promise<void> {
  await api.PUT('/api/v5/trace/{name}/stop', { params: { path: { name } } })
}

export async function deleteTrace(name: string): Promise<void> {
  await api.DELETE('/api/v5/trace/{name}', { params: { path: { name } } })
}

export async function download(name: string): Promise<void> {
  const { data } = await api.GET('/api/v5/trace/{name}/download', { params: { path: { name } }, parseAs: 'blob' })
  saveAs(`${name}.zip`, data as unknown as Blob, 'application/zip')
}

export function targetOf(trace: Trace): string {
  return trace.clientid ?? trace.topic ?? trace.ip_address ?? ''
}

export function bytesOf(trace: Trace): number {
  return Object.values(trace.log_size).reduce((sum, bytes) => sum + bytes, 0)
}

/** A name that is not taken yet: traces of the same thing are told apart by their time. */
export function freshName(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `trace-${two(now.getMonth() + 1)}${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`
}

export function nameFault(name: string): 'nameMissing' | 'nameForm' | null {
  if (name === '') return 'nameMissing'
  return /^[A-Za-z0-9_-]{1,64}$/.test(name) ? null : 'nameForm'
}

/** Why nothing can be traced that is written so; a key of words. */
export function targetFault(type: Type, target: string): string | null {
  if (type === 'topic') {
    const found = filterFault(target)
    return found === null ? null : `filter.${found}`
  }
  if (target === '') return 'traces.targetMissing'
  return type === 'ip_address' && !isAddress(target) ? 'bans.noAddress' : null
}

export function columns(): Column<Trace>[] {
  const state = (trace: Trace) => maybe(`traces.${trace.status}`) ?? trace.status
  return [
    { key: 'name', title: t('traces.name'), by: (one) => one.name, text: (one) => one.name },
    { key: 'type', title: t('traces.type'), by: (one) => one.type, text: (one) => maybe(`traces.${one.type}`) ?? one.type },
    { key: 'target', title: t('traces.target'), by: targetOf, text: targetOf },
    { key: 'status', title: t('traces.status'), by: (one) => one.status, text: state },
    { key: 'start', title: t('traces.start'), by: (one) => Date.parse(one.start_at), text: (one) => moment(Date.parse(one.start_at)) },
    { key: 'end', title: t('traces.end'), by: (one) => Date.parse(one.end_at), text: (one) => moment(Date.parse(one.end_at)) },
    { key: 'size', title: t('traces.size'), numeric: true, by: bytesOf, text: (one) => size(bytesOf(one)) },
  ]
}
