// Long lists: only the rows in sight are drawn, all of one height.
import { computed, onBeforeUnmount, onMounted, ref, watch, type ComputedRef, type Ref } from 'vue'

/** Rows above and below what is seen, so that scrolling shows no gap. */
const AROUND = 8

export interface Window {
  readonly first: ComputedRef<number>
  /** One behind the last. */
  readonly end: ComputedRef<number>
  scrolled(): void
  /** Scrolls no farther than needed. */
  bring(row: number): void
}

export function useWindow(box: Readonly<Ref<HTMLElement | null>>, rows: () => number, height: () => number): Window {
  const top = ref(0)
  const seen = ref(600)
  const first = computed(() => Math.max(0, Math.min(Math.floor(top.value / height()), rows() - 1) - AROUND))
  const end = computed(() => Math.min(rows(), first.value + Math.ceil(seen.value / height()) + 2 * AROUND))
  let observer: ResizeObserver | null = null

  function scrolled(): void {
    const at = box.value
    if (!at) return
    top.value = at.scrollTop
    seen.value = at.clientHeight
  }

  function bring(row: number): void {
    const at = box.value
    if (!at) return
    const from = row * height()
    if (from < at.scrollTop) at.scrollTop = from
    else if (from + height() > at.scrollTop + at.clientHeight) at.scrollTop = from + height() - at.clientHeight
    scrolled()
  }

  onMounted(() => {
    observer = new ResizeObserver(scrolled)
    if (box.value) observer.observe(box.value)
    scrolled()
  })
  // What became shorter may have scrolled by itself.
  watch(rows, scrolled, { flush: 'post' })
  onBeforeUnmount(() => observer?.disconnect())
  return { first, end, scrolled, bring }
}
