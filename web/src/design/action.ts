// Something that is done when it is asked for: whether it is under way, and why it failed.
import { ref, type Ref } from 'vue'

export interface Action<A extends unknown[]> {
  readonly busy: Ref<boolean>
  readonly failure: Ref<unknown>
  /** True once it is done; false when it failed, or is still under way from before. */
  run(...args: A): Promise<boolean>
}

export function useAction<A extends unknown[]>(act: (...args: A) => Promise<unknown>): Action<A> {
  const busy = ref(false)
  const failure = ref<unknown>(null)

  async function run(...args: A): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    failure.value = null
    try {
      await act(...args)
      return true
    } catch (error) {
      failure.value = error
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, failure, run }
}
