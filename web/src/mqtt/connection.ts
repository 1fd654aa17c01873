// One MQTT connection of this page, through the dashboard's own port. It reconnects by itself, visibly;
// keeps the last messages and says how many it skipped; and draws no more often than a person sees.
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt'
import { shallowReactive } from 'vue'

import { matches } from './filter'
import type { Profile } from './profile'
import { Ring } from './ring'
import { said, type LoggedPacket } from './said'

export interface Message {
  readonly number: number
  readonly at: number
  readonly isOut: boolean
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  readonly properties: readonly (readonly [string, string])[]
}

export interface Subscription {
  readonly filter: string
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly asPublished: boolean
  readonly retainHandling: 0 | 1 | 2
  /** One of the colours of the list, by its place. */
  readonly colour: number
  count: number
  muted: boolean
}

export type State = 'idle' | 'connecting' | 'connected' | 'waiting'

export interface View {
  state: State
  /** Why it is not connected, as the broker or the browser said. */
  refusal: string
  /** When the next attempt comes. */
  retryAt: number
  messages: readonly Message[]
  /** Received and not shown any more. */
  skipped: number
  received: number
  published: number
  subscriptions: readonly Subscription[]
  packets: readonly LoggedPacket[]
}

export interface Outgoing {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

export const MESSAGES_KEPT = 2_000
const PACKETS_KEPT = 500
const DRAW_MS = 120
const RETRY_MS = [1_000, 2_000, 4_000, 8_000]
const CONNECT_MS = 10_000
export const COLOURS = 8

export class Connection {
  readonly view: View = shallowReactive({
    state: 'idle',
    refusal: '',
    retryAt: 0,
    messages: [],
    skipped: 0,
    received: 0,
    published: 0,
    subscriptions: [],
    packets: [],
  })

  readonly #messages = new Ring<Message>(MESSAGES_KEPT)
  readonly #packets = new Ring<LoggedPacket>(PACKETS_KEPT)
  #subscriptions: Subscription[] = []
  #client: MqttClient | null = null
  #wanted = false
  #attempts = 0
  #number = 0
  #received = 0
  #published = 0
  #colour = 0
  #drawing: ReturnType<typeof setTimeout> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined

  /** `credentials` is asked before each attempt: a ticket is good for one. */
  constructor(
    readonly profile: Profile,
    readonly credentials: () => Promise<Credentials>,
  ) {}

  connect(): void {
    this.#wanted = true
    this.#attempts = 0
    void this.#attempt()
  }

  disconnect(): void {
    this.#wanted = false
    clearTimeout(this.#retry)
    this.#client?.end()
    this.#client = null
    this.#set('idle')
  }

  async subscribe(wanted: Omit<Subscription, 'colour' | 'count' | 'muted'>): Promise<string | null> {
    const client = this.#client
    if (client === null) return 'not connected'
    const refusal = await this.#ask(client, wanted)
    if (refusal === null) {
      const others = this.#subscriptions.filter((one) => one.filter !== wanted.filter)
      this.#subscriptions = [...others, { ...wanted, colour: this.#colour++ % COLOURS, count: 0, muted: false }]
      this.#draw()
    }
    return refusal
  }

  unsubscribe(filter: string): void {
    this.#client?.unsubscribe(filter)
    this.#subscriptions = this.#subscriptions.filter((one) => one.filter !== filter)
    this.#draw()
  }

  mute(filter: string): void {
    this.#subscriptions = this.#subscriptions.map((one) => (one.filter === filter ? { ...one, muted: !one.muted } : one))
    this.#draw()
  }

  /** Why it was not published; `null` if it was, as far as the QoS tells. */
  publish(message: Outgoing): Promise<string | null> {
    const client = this.#client
    if (client === null) return Promise.resolve('not connected')
    this.#published += 1
    this.#note({ ...message, isOut: true, dup: false, properties: [] })
    const { topic, payload, qos, retain } = message
    return new Promise((done) => {
      // The library takes the browser's bytes for those of Node.js, which they are like.
      client.publish(topic, payload as Buffer, { qos, retain }, (error) => done(error ? error.message : null))
    })
  }

  clear(): void {
    this.#messages.clear()
    this.#draw()
  }

  async #attempt(): Promise<void> {
    this.#set('connecting')
    try {
      const [{ default: mqtt }, credentials] = await Promise.all([import('mqtt'), this.credentials()])
      if (!this.#wanted) return
      const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
      this.#client?.end(true)
      this.#client = this.#listen(mqtt.connect(`${scheme}://${location.host}/mqtt`, this.#options(credentials)))
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error))
    }
  }

  #options(credentials: Credentials): IClientOptions {
    const { clientId, version, keepAlive, clean, sessionExpiry, will } = this.profile
    return {
      clientId,
      protocolVersion: version,
      keepalive: keepAlive,
      clean,
      reconnectPeriod: 0,
      // The other variant makes a worker of a blob, which the Content-Security-Policy refuses.
      timerVariant: 'native',
      connectTimeout: CONNECT_MS,
      resubscribe: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: sessionExpiry } } : {}),
      ...(will === null ? {} : { will: { ...will, payload: new TextEncoder().encode(will.payload) as Buffer } }),
      ...credentials,
    }
  }

  #listen(client: MqttClient): MqttClient {
    const mine = () => this.#client === client
    client.on('connect', (packet) => mine() && this.#connected(packet))
    client.on('message', (topic, payload, packet) => {
      if (!mine()) return
      this.#received += 1
      const properties = Object.entries(packet.properties ?? {}).map(([name, value]) => [name, JSON.stringify(value)] as const)
      this.#note({ topic, payload, qos: packet.qos, retain: packet.retain, dup: packet.dup, isOut: false, properties })
    })
    client.on('packetsend', (packet) => mine() && this.#log(said(packet, true)))
    client.on('packetreceive', (packet) => mine() && this.#log(said(packet, false)))
    client.on('error', (error) => mine() && (this.view.refusal = error.message))
    client.on('close', () => mine() && this.#closed())
    return client
  }

  #connected(packet: IConnackPacket): void {
    this.#attempts = 0
    this.view.refusal = ''
    this.#set('connected')
    if (packet.sessionPresent) return
    // What was subscribed before the connection broke is subscribed again.
    for (const one of this.#subscriptions) if (this.#client) void this.#ask(this.#client, one)
  }

  #ask(client: MqttClient, { filter, qos, noLocal, asPublished, retainHandling }: Omit<Subscription, 'colour' | 'count' | 'muted'>): Promise<string | null> {
    const options = this.profile.version === 5 ? { qos, nl: noLocal, rap: asPublished, rh: retainHandling } : { qos }
    return new Promise((done) => {
      client.subscribe(filter, options, (error, granted) => {
        const code = granted?.[0]?.qos ?? 0
        if (error) done(error.message)
        else done(code >= 0x80 ? `0x${code.toString(16)}` : null)
      })
    })
  }

  #closed(): void {
    if (this.#wanted) this.#failed(this.view.refusal)
    else this.#set('idle')
  }

  #failed(refusal: string): void {
    this.view.refusal = refusal
    if (!this.#wanted) return
    const wait = RETRY_MS[Math.min(this.#attempts, RETRY_MS.length - 1)] ?? 1_000
    this.#attempts += 1
    this.view.retryAt = Date.now() + wait
    this.#set('waiting')
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#attempt(), wait)
  }

  #note(message: Omit<Message, 'number' | 'at'>): void {
    this.#number += 1
    const its = message.isOut ? [] : this.#subscriptions.filter((one) => matches(one.filter, message.topic))
    for (const one of its) one.count += 1
    // Muted only if every subscription that it came by is.
    const isMuted = its.length > 0 && its.every((one) => one.muted)
    if (!isMuted) this.#messages.push({ ...message, number: this.#number, at: Date.now() })
    this.#draw()
  }

  #log(packet: LoggedPacket): void {
    this.#packets.push(packet)
    this.#draw()
  }

  #set(state: State): void {
    this.view.state = state
    this.#draw()
  }

  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined
      this.view.messages = this.#messages.toArray()
      this.view.skipped = this.#messages.skipped
      this.view.received = this.#received
      this.view.published = this.#published
      this.view.subscriptions = this.#subscriptions.map((one) => ({ ...one }))
      this.view.packets = this.#packets.toArray()
    }, DRAW_MS)
  }
}
