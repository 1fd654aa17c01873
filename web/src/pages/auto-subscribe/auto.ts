// What every client is subscribed to when it connects, as the API gives it.
import { api, body, type Answer } from '@/api'
import { ordered } from '@/design/ordered'
import type { Column } from '@/design/table'
import { t } from '@/words'

type Given = Answer<'/api/v5/mqtt/auto_subscribe'>[number]
export type Auto = Required<Given>

export const AUTO_MAX = 20
export const FRESH: Auto = { topic: '', qos: 0, nl: 0, rap: 0, rh: 0 }

export async function loadAuto(signal?: AbortSignal): Promise<readonly Auto[]> {
  const all = await body(api.GET('/api/v5/mqtt/auto_subscribe', { signal: signal ?? null }))
  return all.map((one) => ({ ...FRESH, ...one }))
}

export const list = ordered(loadAuto, (all: Auto[]) => api.PUT('/api/v5/mqtt/auto_subscribe', { body: all }))

export interface Row {
  readonly at: number
  readonly auto: Auto
}

export function columns(): Column<Row>[] {
  return [
    { key: 'topic', title: t('subscription.filter'), by: (r) => r.auto.topic, text: (r) => r.auto.topic },
    { key: 'qos', title: 'QoS', numeric: true, by: (r) => r.auto.qos, text: (r) => String(r.auto.qos) },
    { key: 'nl', title: t('subscription.noLocal'), text: (r) => t(r.auto.nl ? 'word.yes' : 'word.no') },
    { key: 'rap', title: t('subscription.asPublished'), text: (r) => t(r.auto.rap ? 'word.yes' : 'word.no') },
    { key: 'rh', title: t('subscription.retained'), text: (r) => t(r.auto.rh === 0 ? 'subscription.rh0' : r.auto.rh === 1 ? 'subscription.rh1' : 'subscription.rh2') },
  ]
}
