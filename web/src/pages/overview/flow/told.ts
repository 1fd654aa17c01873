// A box of the flow picture in words, and the page that tells more of it.
import type { RouteLocationRaw } from 'vue-router'

import { shown } from '@/design/odd'
import { maybe, t } from '@/words'
import { count, rate } from '@/words/format'

import type { Box, Lost } from './view'

/** The parts of `$share/<group>/<filter>`. */
export function groupOf(name: string): { readonly name: string; readonly filter: string } {
  const [, group = '', ...filter] = name.split('/')
  return { name: group, filter: filter.join('/') }
}

export function leadsTo(box: Box): RouteLocationRaw {
  if (box.place === 'topic') {
    return { path: '/topics', query: box.kind === 'one' ? { topic: box.name } : {} }
  }
  if (box.column === 'group') {
    return { path: '/subscriptions', query: box.kind === 'one' ? { by: 'topic', q: box.name } : {} }
  }
  if (box.kind === 'one') return { path: '/clients/detail', query: { id: box.name } }
  return { path: '/clients', query: box.kind === 'alike' ? { q: box.name } : {} }
}

/** Its name, as a text. */
export function nameOf(box: Box): string {
  if (box.kind === 'others') return t('flow.others', { n: count(box.count) })
  return box.kind === 'alike' ? `${shown(box.name)}… ×${count(box.count)}` : shown(box.name)
}

/** All that is known of it. */
export function said(box: Box, isStub: boolean): string {
  return [nameOf(box), t('flow.rate', { rate: rate(box.rate) }), ...remarks(box, isStub)].join(' · ')
}

export function remarks(box: Box, isStub: boolean): string[] {
  return [
    ...(isStub ? [t('rates.unread')] : []),
    ...(box.away ? [t('flow.away')] : []),
    ...(box.queued > 0 ? [t('flow.queued', { n: count(box.queued) })] : []),
    ...(box.loss === null ? [] : [t('flow.lost', { why: box.loss.reason })]),
  ]
}

/** Why messages are lost, in as few words as there is room for. */
export function shortly(loss: Lost): string {
  return maybe(`flow.reason.${loss.kind}`) ?? loss.reason
}
