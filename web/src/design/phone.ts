// Whether the page is as narrow as a phone, for what a style sheet cannot say alone.
import { readonly, ref } from 'vue'

const query = matchMedia('(width < 600px)')
const narrow = ref(query.matches)
query.addEventListener('change', () => (narrow.value = query.matches))

export const isPhone = readonly(narrow)
