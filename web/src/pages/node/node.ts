// How the node and its machine do, and how much there is of what against what there may be.
import { api, body, type Answer } from '@/api'
import type { FactGroup } from '@/design/facts'
import type { Column } from '@/design/table'
import { listSettings } from '@/pages/settings/setting'
import { t, type Key } from '@/words'
import { count, duration, moment, size } from '@/words/format'

export type Node = Answer<'/api/v5/nodes'>[number]
export type Recovery = Answer<'/api/v5/data/recovery'>

export interface View {
  readonly node: Node
  readonly stats: Readonly<Record<string, number>>
  /** Absent for those who may not see it. */
  readonly recovery: Recovery | null
  readonly settings: ReadonlyMap<string, unknown>
}

export async function view(seesAll: boolean, signal: AbortSignal): Promise<View> {
  const [nodes, stats, recovery, settings] = await Promise.all([
    body(api.GET('/api/v5/nodes', { signal })),
    body(api.GET('/api/v5/stats', { params: { query: { aggregate: true } }, signal })),
    seesAll ? body(api.GET('/api/v5/data/recovery', { signal })) : null,
    listSettings(signal),
  ])
  const [node] = nodes
  if (node === undefined) throw new Error('the API told of no node')
  return { node, stats: stats as Record<string, number>, recovery, settings: new Map(settings.map((one) => [one.key, one.value])) }
}

/** Bytes of a size as EMQX writes it, such as `7.44G`. */
export function bytesOf(text: string): number {
  const [, number, unit] = /^([\d.]+)([KMG]?)$/.exec(text) ?? []
  return Math.round(Number(number ?? 0) * 1024 ** ['', 'K', 'M', 'G'].indexOf(unit ?? ''))
}

export function factsOf({ node, recovery }: View, now: number): FactGroup[] {
  const groups: FactGroup[] = [
    {
      title: t('node.identity'),
      facts: [
        { name: t('node.name'), value: node.node },
        { name: t('node.version'), value: `TernMQ ${node.version}` },
        { name: t('node.started'), value: moment(now - node.uptime) },
        { name: t('node.uptime'), value: duration(node.uptime / 1000) },
        { name: t('node.dataDir'), value: node.sys_path },
      ],
    },
    {
      title: t('node.machine'),
      facts: [
        { name: t('node.memory'), value: `${size(bytesOf(node.memory_used))} / ${size(bytesOf(node.memory_total))}` },
        ...(node.resident_bytes ? [{ name: t('node.resident'), value: size(node.resident_bytes) }] : []),
        ...(node.disk ? [{ name: t('node.disk'), value: `${size(node.disk.total - node.disk.free)} / ${size(node.disk.total)}` }] : []),
        { name: t('node.load'), value: [node.load1, node.load5, node.load15].map((load) => load.toFixed(2)).join(' · ') },
      ],
    },
  ]
  return recovery === null ? groups : [...groups, { title: t('node.recovery'), facts: found(recovery) }]
}

/** How the start found the data. */
export function found(recovery: Recovery): FactGroup['facts'] {
  if (recovery.is_new) return [{ name: t('node.left'), value: t('node.fresh') }]
  return [
    { name: t('node.left'), value: t(recovery.closed ? 'node.closed' : 'node.cut') },
    { name: t('node.damage'), value: recovery.damage.length === 0 ? t('node.noDamage') : recovery.damage.join('; '), bad: recovery.damage.length > 0 },
    { name: t('node.messages'), value: count(recovery.messages) },
    { name: t('node.keys'), value: count(recovery.keys) },
    { name: t('node.onDisk'), value: size(recovery.bytes) },
    ...(recovery.dropped_bytes > 0 ? [{ name: t('node.dropped'), value: size(recovery.dropped_bytes) }] : []),
    { name: t('node.took'), value: `${count(recovery.took_ms)} ms` },
  ]
}

export interface Gauge {
  readonly title: string
  readonly now: number
  readonly most: number | null
  readonly limit: number | null
  readonly isBytes?: boolean
  /** The setting that decides the limit. */
  readonly setting: string
}

const GAUGES: readonly { readonly stat: string; readonly title: Key; readonly setting?: string }[] = [
  { stat: 'live_connections', title: 'node.online' },
  { stat: 'sessions', title: 'node.sessions', setting: 'mqtt.max_sessions' },
  { stat: 'subscriptions', title: 'node.subscriptions' },
  { stat: 'subscriptions.shared', title: 'node.shared' },
  { stat: 'durable_subscriptions', title: 'node.durable' },
  { stat: 'topics', title: 'node.topics' },
  { stat: 'retained', title: 'node.retained', setting: 'mqtt.max_retained' },
  { stat: 'delayed', title: 'node.delayed', setting: 'mqtt.max_delayed' },
]

/** What stands for no limit of its own in `mqtt.max_delayed`. */
const DELAYED_MAX = 1_000_000

export function gaugesOf({ node, stats, settings }: View): Gauge[] {
  const counted = GAUGES.map(({ stat, title, setting }): Gauge => {
    const set = setting === undefined ? null : settings.get(setting)
    const limit = setting === 'mqtt.max_delayed' && set === 0 ? DELAYED_MAX : typeof set === 'number' ? set : null
    return { title: t(title), now: stats[`${stat}.count`] ?? 0, most: stats[`${stat}.max`] ?? 0, limit, setting: setting ?? '' }
  })
  const files: Gauge[] = typeof node.open_files === 'number' ? [{ title: t('node.files'), now: node.open_files, most: null, limit: node.max_fds, setting: '' }] : []
  return [...counted, ...files]
}

/** What memory is used for: all of it against the machine's, or the container's. */
export function memoryOf({ node }: View): Gauge[] {
  const limit = bytesOf(node.memory_total)
  const line = (title: Key, now: number, setting = ''): Gauge => ({ title: t(title), now, most: null, limit, isBytes: true, setting })
  const { connections, sessions, queues, retained } = node.memory_by_use
  const rest = (node.resident_bytes ?? 0) - connections - sessions - queues - retained
  return [
    line('node.byConnections', connections, 'mqtt.max_out_buffer'),
    line('node.bySessions', sessions, 'mqtt.max_sessions'),
    line('node.byQueues', queues, 'mqtt.max_queue_bytes'),
    line('node.byRetained', retained, 'mqtt.max_retained_bytes'),
    ...(rest > 0 ? [line('node.byRest', rest)] : []),
    line('node.byMachine', bytesOf(node.memory_used)),
  ]
}

export function columns(): Column<Gauge>[] {
  const text = (gauge: Gauge, n: number | null) => (n === null ? '–' : gauge.isBytes ? size(n) : count(n))
  return [
    { key: 'what', title: t('node.what'), text: (g) => g.title },
    { key: 'now', title: t('node.now'), numeric: true, by: (g) => g.now, text: (g) => text(g, g.now) },
    { key: 'most', title: t('node.most'), numeric: true, by: (g) => g.most ?? 0, text: (g) => text(g, g.most) },
    { key: 'limit', title: t('node.limit'), numeric: true, by: (g) => g.limit ?? Number.MAX_SAFE_INTEGER, text: (g) => text(g, g.limit) },
    { key: 'setting', title: t('node.setting'), text: (g) => g.setting },
  ]
}
