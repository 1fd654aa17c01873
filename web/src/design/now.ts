// The time, for what shows ages.
import { onScopeDispose, readonly, ref, type Ref } from 'vue'

export function useNow(everyMs: number): Readonly<Ref<number>> {
  const now = ref(Date.now())
  const timer = setInterval(() => (now.value = Date.now()), everyMs)
  onScopeDispose(() => clearInterval(timer))
  return readonly(now)
}
