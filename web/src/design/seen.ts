// Whether somebody sees an element: it is on the screen, in a tab that is shown.
import { onBeforeUnmount, onMounted, readonly, ref, type Ref, type ShallowRef } from 'vue'

export function useSeen(element: Readonly<ShallowRef<HTMLElement | null>>): Readonly<Ref<boolean>> {
  const seen = ref(false)
  let isNear = false
  const look = (): void => {
    seen.value = isNear && !document.hidden
  }
  const observer = new IntersectionObserver((entries) => {
    isNear = entries.at(-1)?.isIntersecting ?? false
    look()
  })
  onMounted(() => {
    if (element.value) observer.observe(element.value)
    document.addEventListener('visibilitychange', look)
  })
  onBeforeUnmount(() => {
    observer.disconnect()
    document.removeEventListener('visibilitychange', look)
  })
  return readonly(seen)
}
