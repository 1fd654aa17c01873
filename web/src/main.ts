// Where the page starts: words and colours first, so that nothing is shown in the wrong ones.
import './design/tokens.css'
import './design/base.css'
import './design/marks.css'

import { createApp } from 'vue'

import { employ } from './api/door'
import App from './app/App.vue'
import { heard } from './app/link'
import { askForPassword } from './app/password'
import { router } from './app/router'
import { leave, session } from './app/session'
import { followTheme } from './app/theme'
import { i18n, speakPreferred } from './words'

employ({
  authorization: () => session.guest,
  mustSetPassword: () => session.person?.mustSetPassword ?? false,
  setPassword: askForPassword,
  signedOut: () => leave('expired'),
  heard,
})
followTheme()
await speakPreferred()
createApp(App).use(i18n).use(router).mount('#app')
