// One MQTT connection of this page, through the dashboard's own port. It reconnects by itself, visibly;
// keeps the last messages and says how many it skipped; and draws no more often than a person sees.
import type { IClientOptions, IConnackPacket, MqttClient, Packet } from 'mqtt'
import { shallowReactive } from 'vue'

import { bytesOf } from '@/payload/bytes'

import { matches } from './filter'
import { Gate, gated, wholeLength } from './gate'
import { incoming, weight, type Message, type Outgoing } from './message'
import type { Profile, Wish } from './profile'
import { connectWire, willWire } from './properties'
import { refusalOf, type Refusal } from './reason'
import { Ring } from './ring'
import { said, type LoggedPacket } from './said'

export interface Subscription extends Wish {
  readonly count: number
  readonly refusal: Refusal | null
}

export type State = 'idle' | 'connecting' | 'connected' | 'waiting'

export interface View {
  state: State
  /** Why it is not connected. */
  refusal: Refusal | null
  /** When the next attempt comes. */
  retryAt: number
  messages: readonly Message[]
  /** Of those that came or went since the list was cleared: kept, made room for others, muted. */
  skipped: number
  muted: number
  received: number
  published: number
  subscriptions: readonly Subscription[]
  packets: readonly LoggedPacket[]
}

/** What became of a message that was published. */
export type Fate = { readonly kind: 'sent' | 'acknowledged' | 'unread' } | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

export const MESSAGES_KEPT = 5_000
export const BYTES_KEPT = 32 * 1024 * 1024
const PACKETS_KEPT = 500
const DRAW_MS = 120
const RETRY_MS = [1_000, 2_000, 4_000, 8_000]
const NO_READER = 0x10

export class Connection {
  readonly view: View = shallowReactive({
    state: 'idle',
    refusal: null,
    retryAt: 0,
    messages: [],
    skipped: 0,
    muted: 0,
    received: 0,
    published: 0,
    subscriptions: [],
    packets: [],
  })

  readonly #messages = new Ring<Message>(MESSAGES_KEPT, weight, BYTES_KEPT)
  /** Apart, so that a flood of messages leaves CONNACK and SUBACK where they can be read. */
  readonly #traffic = new Ring<LoggedPacket>(PACKETS_KEPT)
  readonly #control = new Ring<LoggedPacket>(PACKETS_KEPT)
  readonly #unanswered = new Set<(fate: Fate) => void>()
  readonly #unread = new Set<number>()
  #wishes: readonly Wish[]
  /** By filter. */
  readonly #counts = new Map<string, number>()
  readonly #refusals = new Map<string, Refusal>()
  #client: MqttClient | null = null
  #gate: Gate | null = null
  #wanted = false
  #attempts = 0
  #number = 0
  #received = 0
  #published = 0
  #muted = 0
  /** Let go before anything was made of them. */
  #unmade = 0
  #drawing: ReturnType<typeof setTimeout> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined

  /** `credentials` is asked before each attempt: a ticket is good for one. `keep` is told what is subscribed. */
  constructor(
    readonly profile: Profile,
    readonly credentials: () => Promise<Credentials>,
    readonly keep: (wishes: readonly Wish[]) => void,
  ) {
    this.#wishes = profile.subscriptions
    this.view.subscriptions = this.#subscribed()
  }

  /** Also while it waits: at once instead of later. */
  connect(): void {
    this.#wanted = true
    this.#attempts = 0
    clearTimeout(this.#retry)
    void this.#attempt()
  }

  disconnect(): void {
    this.#leave(false)
  }

  /** Goes without DISCONNECT, as if the network had failed: the broker publishes the will. */
  breakOff(): void {
    this.#leave(true)
  }

  #leave(abruptly: boolean): void {
    this.#wanted = false
    clearTimeout(this.#retry)
    this.#client?.end(abruptly)
    this.#client = null
    this.view.refusal = null
    this.#forsake()
    this.#set('idle')
  }

  async subscribe(wish: Wish): Promise<Refusal | null> {
    const client = this.#client
    if (client === null) return { kind: 'offline' }
    const refusal = await this.#ask(client, wish)
    if (refusal !== null) return refusal
    this.#refusals.delete(wish.filter)
    const isKnown = this.#wishes.some((one) => one.filter === wish.filter)
    this.#wish(isKnown ? this.#wishes.map((one) => (one.filter === wish.filter ? wish : one)) : [...this.#wishes, wish])
    return null
  }

  unsubscribe(filter: string): void {
    this.#client?.unsubscribe(filter)
    this.#counts.delete(filter)
    this.#refusals.delete(filter)
    this.#wish(this.#wishes.filter((one) => one.filter !== filter))
  }

  /** How its messages are shown; the broker is not asked. */
  show(filter: string, change: Partial<Pick<Wish, 'alias' | 'colour' | 'decoder' | 'muted'>>): void {
    this.#wish(this.#wishes.map((one) => (one.filter === filter ? { ...one, ...change } : one)))
  }

  #wish(all: readonly Wish[]): void {
    this.#wishes = all
    this.keep(all)
    this.#draw()
  }

  #subscribed(): Subscription[] {
    return this.#wishes.map((one) => ({ ...one, count: this.#counts.get(one.filter) ?? 0, refusal: this.#refusals.get(one.filter) ?? null }))
  }

  publish(message: Outgoing): Promise<Fate> {
    const client = this.#client
    if (client === null) return Promise.resolve({ kind: 'refused', refusal: { kind: 'offline' } })
    const { topic, payload, qos, retain, properties } = message
    return new Promise((answer) => {
      this.#unanswered.add(answer)
      const done = (fate: Fate) => {
        this.#unanswered.delete(answer)
        answer(fate)
      }
      let id: number | undefined
      // The library takes the browser's bytes for those of Node.js, which they are like.
      client.publish(topic, payload as Buffer, { qos, retain, ...(properties ? { properties } : {}) }, (error) => {
        if (error) done({ kind: 'refused', refusal: refusalOf(error, this.profile.version) })
        else if (qos === 0) done({ kind: 'sent' })
        else done({ kind: this.#unread.delete(id ?? 0) ? 'unread' : 'acknowledged' })
      })
      if (qos > 0) id = client.getLastMessageId()
      this.#published += 1
      this.#note({ ...message, number: this.#next(), at: Date.now(), isOut: true, dup: false, properties })
    })
  }

  clear(): void {
    this.#messages.clear()
    this.#received = 0
    this.#published = 0
    this.#muted = 0
    this.#unmade = 0
    this.#counts.clear()
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
      this.#failed(refusalOf(error, this.profile.version))
    }
  }

  #options(credentials: Credentials): IClientOptions {
    const { clientId, version, keepAlive, clean, connectSecs, sessionExpiry, properties, will } = this.profile
    return {
      clientId,
      protocolVersion: version,
      keepalive: keepAlive,
      clean,
      reconnectPeriod: 0,
      ...this.#throughGate(),
      // The other variant makes a worker of a blob, which the Content-Security-Policy refuses.
      timerVariant: 'native',
      connectTimeout: connectSecs * 1000,
      resubscribe: false,
      ...(version === 5 ? { properties: connectWire(properties, sessionExpiry) } : {}),
      ...(will === null
        ? {}
        : {
            will: {
              topic: will.topic,
              payload: (bytesOf(will.payload, will.encoding) ?? new Uint8Array()) as Buffer,
              qos: will.qos,
              retain: will.retain,
              ...(version === 5 ? { properties: willWire(will.properties, will.delaySecs) } : {}),
            },
          }),
      ...credentials,
    }
  }

  /** With topic aliases a message that is let go would take the name of others with it. */
  #throughGate(): IClientOptions {
    this.#gate = null
    if (this.profile.version === 5 && (this.profile.properties.aliasMax ?? 0) > 0) return {}
    const gate = new Gate(() => {
      this.#received += 1
      this.#unmade += 1
      this.#draw()
    })
    this.#gate = gate
    const Socket = gated(gate)
    return { createWebsocket: (url, protocols) => new Socket(url, protocols) }
  }

  #listen(client: MqttClient): MqttClient {
    const mine = () => this.#client === client
    client.on('connect', (packet) => mine() && this.#connected(packet))
    client.on('message', (topic, payload, packet) => {
      if (!mine()) return
      this.#received += 1
      this.#note(incoming(topic, payload, packet, this.#next(), Date.now()))
    })
    client.on('packetsend', (packet) => mine() && this.#log(packet, true))
    client.on('packetreceive', (packet) => mine() && this.#arrived(packet))
    client.on('error', (error) => mine() && (this.view.refusal = refusalOf(error, this.profile.version)))
    client.on('close', () => mine() && this.#closed())
    return client
  }

  #arrived(packet: Packet): void {
    this.#gate?.took(wholeLength(packet.length ?? 0))
    if ((packet.cmd === 'puback' || packet.cmd === 'pubrec') && packet.reasonCode === NO_READER) this.#unread.add(packet.messageId ?? 0)
    if (packet.cmd === 'disconnect') this.view.refusal = { kind: 'ended', code: packet.reasonCode ?? 0 }
    this.#log(packet, false)
  }

  #connected(packet: IConnackPacket): void {
    this.#attempts = 0
    this.view.refusal = null
    this.#set('connected')
    if (packet.sessionPresent) return
    // What was subscribed before the connection broke, or when the page was last here, is subscribed again.
    for (const one of this.#wishes) void this.#again(one)
  }

  async #again(wish: Wish): Promise<void> {
    if (this.#client === null) return
    const refusal = await this.#ask(this.#client, wish)
    if (refusal === null) this.#refusals.delete(wish.filter)
    else this.#refusals.set(wish.filter, refusal)
    this.#draw()
  }

  #ask(client: MqttClient, { filter, qos, noLocal, asPublished, retainHandling, identifier }: Wish): Promise<Refusal | null> {
    const five = { qos, nl: noLocal, rap: asPublished, rh: retainHandling, ...(identifier === null ? {} : { properties: { subscriptionIdentifier: identifier } }) }
    return new Promise((done) => {
      client.subscribe(filter, this.profile.version === 5 ? five : { qos }, (error) => done(error ? refusalOf(error, this.profile.version) : null))
    })
  }

  #closed(): void {
    this.#forsake()
    this.#failed(this.view.refusal ?? { kind: 'closed' })
  }

  /** What was published and not answered will not be by this connection. */
  #forsake(): void {
    for (const answer of this.#unanswered) answer({ kind: 'refused', refusal: { kind: 'closed' } })
    this.#unanswered.clear()
    this.#unread.clear()
  }

  #failed(refusal: Refusal): void {
    this.view.refusal = refusal
    if (!this.#wanted) return
    if (!this.profile.reconnects) {
      this.#wanted = false
      this.#client = null
      this.#set('idle')
      return
    }
    const wait = RETRY_MS[Math.min(this.#attempts, RETRY_MS.length - 1)] ?? 1_000
    this.#attempts += 1
    this.view.retryAt = Date.now() + wait
    this.#set('waiting')
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#attempt(), wait)
  }

  #next(): number {
    this.#number += 1
    return this.#number
  }

  #note(message: Message): void {
    const its = message.isOut ? [] : this.#wishes.filter((one) => matches(one.filter, message.topic))
    for (const { filter } of its) this.#counts.set(filter, (this.#counts.get(filter) ?? 0) + 1)
    // Muted only if every subscription that it came by is.
    if (its.length > 0 && its.every((one) => one.muted)) this.#muted += 1
    else this.#messages.push(message)
    this.#draw()
  }

  #log(packet: Packet, isOut: boolean): void {
    const one = said(packet, isOut, this.#next(), Date.now())
    if (one.isTraffic) this.#traffic.push(one)
    else this.#control.push(one)
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
      this.view.skipped = this.#messages.skipped + this.#unmade
      this.view.muted = this.#muted
      this.view.received = this.#received
      this.view.published = this.#published
      this.view.subscriptions = this.#subscribed()
      this.view.packets = [...this.#control.toArray(), ...this.#traffic.toArray()].sort((a, b) => a.number - b.number)
    }, DRAW_MS)
  }
}
