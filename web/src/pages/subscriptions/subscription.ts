// Subscriptions as the API gives them, and how a list shows them.
import { api, body, Failure } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { t } from '@/words'

import type { Subscription } from '../clients/client'

export interface Search {
  readonly text: string
  readonly by: 'match_topic' | 'topic' | 'clientid' | 'share_group'
}

export function listSubscriptions(
  search: Search,
  page: number,
  limit: number,
  signal?: AbortSignal,
): Promise<Page<Subscription>> {
  const query = { page, limit, ...(search.text === '' ? {} : { [search.by]: search.text }) }
  return body(api.GET('/api/v5/subscriptions', { params: { query }, signal: signal ?? null }))
}

export function keyOf(subscription: Subscription): string {
  return `${subscription.clientid}\n${subscription.topic}`
}

/** In the clients' place; they are not told of it. */
export async function unsubscribe(those: readonly Subscription[]): Promise<void> {
  for (const { clientid, topic } of those) {
    try {
      await api.POST('/api/v5/clients/{clientid}/unsubscribe', { params: { path: { clientid } }, body: { topic } })
    } catch (error) {
      // Who went meanwhile, or did it itself, is no failure of the others.
      if (those.length === 1 || !(error instanceof Failure && error.status === 404)) throw error
    }
  }
}

export function columns(): Column<Subscription>[] {
  return [
    { key: 'topic', title: t('subscription.filter'), by: (s) => s.topic, text: (s) => s.topic },
    { key: 'clientid', title: t('client.id'), by: (s) => s.clientid, text: (s) => s.clientid },
    { key: 'qos', title: t('subscription.qos'), numeric: true, by: (s) => s.qos, text: (s) => String(s.qos) },
    { key: 'nl', title: t('subscription.noLocal'), text: (s) => t(s.nl ? 'word.yes' : 'word.no') },
    { key: 'rap', title: t('subscription.asPublished'), text: (s) => t(s.rap ? 'word.yes' : 'word.no') },
    { key: 'rh', title: t('subscription.retained'), text: (s) => t(s.rh === 0 ? 'subscription.rh0' : s.rh === 1 ? 'subscription.rh1' : 'subscription.rh2') },
    { key: 'durable', title: t('subscription.durable'), extra: true, text: (s) => t(s.durable ? 'word.yes' : 'word.no') },
  ]
}
