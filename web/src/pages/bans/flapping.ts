// Bans that the broker makes by itself, of clients that come and go too often: when, and for how long.
import { api, body } from '@/api'
import { faultOf, spanOf, type Form } from '@/pages/settings/form'
import { t } from '@/words'

/** Times as they are typed: `1m`. */
export interface Flapping {
  enable: boolean
  count: string
  window: string
  ban: string
}

const SECTION = 'flapping_detect'
const KEYS = { enable: `${SECTION}.enable`, count: `${SECTION}.max_count`, window: `${SECTION}.window_time`, ban: `${SECTION}.ban_time` } as const
const COUNT: Form = { kind: 'whole', none: false, min: '2', max: '1000000' }
const WINDOW: Form = { kind: 'time', none: false, min: '1s', max: '1h' }
const BAN: Form = { kind: 'time', none: false, min: '1s', max: '49710d' }

export async function loadFlapping(signal: AbortSignal): Promise<Flapping> {
  const read = async (key: string) => (await body(api.GET('/api/v5/settings/{key}', { params: { path: { key } }, signal }))).value
  const [enable, count, window, ban] = await Promise.all([read(KEYS.enable), read(KEYS.count), read(KEYS.window), read(KEYS.ban)])
  return { enable: enable === true, count: String(count), window: String(window), ban: String(ban) }
}

export async function saveFlapping({ enable, count, window, ban }: Flapping): Promise<void> {
  const values = { [KEYS.enable]: enable, [KEYS.count]: Number(count), [KEYS.window]: window.trim(), [KEYS.ban]: ban.trim() }
  await api.PUT('/api/v5/settings', { body: values })
}

export function flappingFaults({ count, window, ban }: Flapping): { count: string | undefined; window: string | undefined; ban: string | undefined } {
  const told = (form: Form, typed: string, words: string) => (faultOf(form, typed).fault === null ? undefined : words)
  return {
    count: told(COUNT, count, t('flapping.countForm')),
    window: told(WINDOW, window, t('flapping.windowForm')),
    ban: told(BAN, ban, t('flapping.banForm')),
  }
}

/** What the broker does by itself, in a sentence. */
export function flappingTold({ enable, count, window, ban }: Flapping): string {
  return enable ? t('flapping.isOn', { n: count, window: spanOf(window), ban: spanOf(ban) }) : t('flapping.isOff')
}
