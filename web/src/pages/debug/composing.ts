// Publishing what stands in the composer, and finding again what stood there before.
import { computed, ref, shallowRef, type Ref } from 'vue'

import type { Connection, Fate } from '@/mqtt/connection'
import { bytesOfDraft, type Draft, type Fault } from '@/mqtt/draft'
import { topicFault } from '@/mqtt/filter'
import { used } from '@/mqtt/memory'
import { binary, publishWire } from '@/mqtt/properties'
import { refusalTold } from '@/mqtt/reason'
import { t } from '@/words'

export interface ChosenFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export function usePublish(connection: Connection, draft: Ref<Draft>) {
  const file = shallowRef<ChosenFile | null>(null)
  const fault = shallowRef<Fault | null>(null)
  const last = shallowRef<Fate | null>(null)
  const tried = ref(false)
  let seq = 0

  const fate = computed(() => {
    if (last.value === null) return null
    if (last.value.kind === 'refused') return { text: t('composer.refused', { why: refusalTold(last.value.refusal) }), isBad: true }
    return { text: t(`composer.${last.value.kind}`), isBad: false }
  })

  /** False if there was nothing that could be sent. */
  async function publish(): Promise<boolean> {
    const { topic, qos, retain, properties, alias } = draft.value
    tried.value = true
    const made = bytesOfDraft(draft.value, file.value?.bytes ?? null, seq, Date.now())
    const isFive = connection.profile.version === 5
    fault.value = made instanceof Uint8Array ? null : made
    if (!(made instanceof Uint8Array) || topicFault(topic) !== null) return false
    if (isFive && (binary(properties.correlation) === null || (properties.responseTopic !== '' && topicFault(properties.responseTopic) !== null))) return false
    seq += 1
    used('topic', topic)
    const wire = isFive ? publishWire(properties, alias) : {}
    last.value = await connection.publish({ topic, payload: made, qos, retain, ...(Object.keys(wire).length > 0 ? { properties: wire } : {}) })
    return true
  }

  return { file, fault, fate, tried, publish }
}

const KEPT = 50

/** What was published before, as in a shell: backwards, and forwards again to what was being typed. */
export function useHistory() {
  const all: Draft[] = []
  let place = 0
  let typed: Draft | null = null

  return {
    add(draft: Draft): void {
      if (JSON.stringify(all.at(-1)) !== JSON.stringify(draft)) all.push(draft)
      if (all.length > KEPT) all.shift()
      place = all.length
      typed = null
    },
    step(by: -1 | 1, current: Draft): Draft | null {
      const next = place + by
      if (next < 0 || next > all.length) return null
      if (place === all.length) typed = current
      place = next
      return all[next] ?? typed
    },
  }
}
