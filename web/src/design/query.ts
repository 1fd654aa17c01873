// Parts of a view that stand in the address bar: a text each, absent while it is what it is by default.
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

/** Changes of one moment go into the address together. */
let pending: LocationQueryRaw | null = null

export function useQuery<T extends string = string>(name: string, byDefault: NoInfer<T>): WritableComputedRef<T> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return (typeof value === 'string' ? value : byDefault) as T
    },
    set: (value) => {
      if (pending === null) {
        pending = { ...route.query }
        queueMicrotask(() => {
          const query = pending ?? {}
          pending = null
          void router.replace({ query })
        })
      }
      pending[name] = value === byDefault ? undefined : value
    },
  })
}
