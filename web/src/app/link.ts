// Whether the broker answers. When it does not, the page says so, keeps what it last knew with its age,
// and asks each second until it is back; then everything that waits for that is told.
import { reactive, readonly } from 'vue'

const RETRY_MS = 1_000

const state = reactive({
  isUp: true,
  /** When the last answer came, by this machine's clock. */
  heardAt: Date.now(),
  /** Grows each time the broker came back. */
  returns: 0,
})

export const link = readonly(state)

let asking = false

export function heard(answered: boolean): void {
  if (answered) {
    state.heardAt = Date.now()
    if (!state.isUp) back()
    return
  }
  state.isUp = false
  if (!asking) void ask()
}

async function ask(): Promise<void> {
  asking = true
  while (!state.isUp) {
    await new Promise((done) => setTimeout(done, RETRY_MS))
    try {
      const answer = await fetch('/status', { cache: 'no-store', signal: AbortSignal.timeout(2_000) })
      if (answer.ok) heard(true)
    } catch {
      // Not yet.
    }
  }
  asking = false
}

function back(): void {
  state.isUp = true
  state.returns += 1
  void loadAnewIfReplaced()
}

/** After an upgrade the broker has another page than the one that runs here. */
async function loadAnewIfReplaced(): Promise<void> {
  const script = document.querySelector<HTMLScriptElement>('script[type="module"][src]')
  const own = script?.getAttribute('src')
  const page = await fetch('/', { cache: 'no-cache', headers: { accept: 'text/html' } }).catch(() => null)
  if (!page?.ok || !own) return
  if (!(await page.text()).includes(own)) location.reload()
}
