// What stands between the network and the MQTT library. A page that has too little of the processor takes bytes
// in faster than it gets through them, and no browser holds a WebSocket back: so messages that nobody has to
// answer are counted here and let go while too much waits, before anything is made of them.

/** Bytes that may wait for the library. */
export const WAITING_MAX = 4 * 1024 * 1024
const PUBLISH = 3
const QOS = 0x06

/** Finds the packets in pieces of a stream that end anywhere. */
export class Gate {
  /** Bytes of the packet that are still to come, once its length is known. */
  #left = 0
  /** Of the length so far: its value, and how much the next byte counts; 0 before a packet's first byte. */
  #length = 0
  #factor = 0
  #drops = false
  #passed = 0
  #done = 0

  /** `dropped` is told of each message that is let go. */
  constructor(
    readonly dropped: () => void,
    readonly waitingMax = WAITING_MAX,
  ) {}

  /** The library has got through so many bytes more. */
  took(bytes: number): void {
    this.#done += bytes
  }

  /** The parts of a piece that go on. */
  take(piece: Uint8Array): Uint8Array[] {
    const parts: Uint8Array[] = []
    let from = 0
    let at = 0
    while (at < piece.length) {
      if (this.#left > 0) {
        at += this.#body(piece.length - at)
      } else {
        if (this.#factor === 0) {
          const drops = this.#mayDrop(piece[at] ?? 0)
          if (drops !== this.#drops) {
            if (drops && at > from) parts.push(piece.subarray(from, at))
            from = at
            this.#drops = drops
          }
          if (drops) this.dropped()
        }
        this.#head(piece[at] ?? 0)
        at += 1
      }
    }
    if (!this.#drops && from < piece.length) parts.push(from === 0 ? piece : piece.subarray(from))
    return parts
  }

  #mayDrop(first: number): boolean {
    return first >> 4 === PUBLISH && (first & QOS) === 0 && this.#passed - this.#done > this.waitingMax
  }

  #head(byte: number): void {
    if (!this.#drops) this.#passed += 1
    if (this.#factor === 0) {
      this.#length = 0
      this.#factor = 1
      return
    }
    this.#length += (byte & 0x7f) * this.#factor
    this.#factor *= 128
    if (byte & 0x80) return
    this.#left = this.#length
    this.#factor = 0
  }

  #body(here: number): number {
    const taken = Math.min(this.#left, here)
    this.#left -= taken
    if (!this.#drops) this.#passed += taken
    return taken
  }
}

/** The bytes of a packet whose remaining length is known. */
export function wholeLength(remaining: number): number {
  const digits = remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4
  return 1 + digits + remaining
}

/** A WebSocket behind a gate. */
export function gated(gate: Gate): typeof WebSocket {
  return class extends WebSocket {
    override addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void {
      if (type !== 'message' || typeof listener !== 'function') {
        super.addEventListener(type, listener as EventListener, options)
        return
      }
      const through = (event: Event): void => {
        const { data } = event as MessageEvent<unknown>
        if (!(data instanceof ArrayBuffer)) return
        const piece = new Uint8Array(data)
        for (const part of gate.take(piece)) {
          // Most pieces go on as they came.
          listener.call(this, part === piece ? event : new MessageEvent('message', { data: part.slice().buffer }))
        }
      }
      super.addEventListener(type, through, options)
    }
  }
}
