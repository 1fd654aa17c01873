// What can be done about a weak point with one press: done here, begun on another page, or run on the server.
import type { RouteLocationRaw } from 'vue-router'

import { askForPassword } from '@/app/password'
import { shellWord } from '@/mqtt/code'
import { BUILT_IN, changeAuthenticator, idOf, listAuthenticators } from '@/pages/authentication/authenticator'
import { allowNameless } from '@/pages/authentication/nameless'
import { changeSetting, resetSetting } from '@/pages/settings/setting'
import type { Key } from '@/words'

import { severityOf, textsOf, type Point } from './point'

export type Remedy =
  | { readonly kind: 'do'; readonly title: Key; act(): Promise<unknown> }
  /** What clients notice is asked before. */
  | { readonly kind: 'ask'; readonly title: Key; readonly what: Key; readonly names: boolean; act(): Promise<unknown> }
  | { readonly kind: 'go'; readonly title: Key; readonly to: RouteLocationRaw }
  | { readonly kind: 'run'; readonly command: string }
  /** Nothing that a button or one command does. */
  | { readonly kind: 'say'; readonly what: Key }

/** `guarded`: somebody can come in with a password. */
export function remedyOf(point: Point, guarded: boolean): Remedy | null {
  if (severityOf(point) === 'fine') return null
  switch (point.id) {
    case 'default_password':
      return { kind: 'do', title: 'security.remedy.setPassword', act: askForPassword }
    case 'anonymous':
      if (textsOf(point, 'public_networks').length > 0) {
        return { kind: 'ask', title: 'security.remedy.onlyNear', what: 'security.remedy.onlyNearWhat', names: false, act: () => resetSetting('lan_guard.trusted') }
      }
      if (!guarded) return { kind: 'go', title: 'security.remedy.addUser', to: { path: '/mqtt-users', query: { do: 'add' } } }
      return { kind: 'ask', title: 'security.remedy.refuse', what: 'nameless.refuseWhat', names: true, act: () => allowNameless(false) }
    case 'public_address':
    case 'certificate_ends':
    case 'certificate_unusable':
    case 'revocation_list_ends':
      return { kind: 'go', title: 'security.remedy.listeners', to: '/listeners' }
    case 'dashboard':
      return setting('security.remedy.bind', 'dashboard.bind')
    case 'unencrypted':
      return { kind: 'do', title: 'security.remedy.tls', act: () => changeSetting('listeners.ssl.default.enabled', true) }
    case 'rules':
      return { kind: 'go', title: 'security.remedy.rules', to: '/authorization' }
    case 'readers':
      return { kind: 'go', title: 'security.remedy.rules', to: '/authorization' }
    case 'plain_passwords':
      return { kind: 'do', title: 'security.remedy.argon', act: useArgon }
    case 'plain_back_ends':
      return { kind: 'go', title: 'security.remedy.authenticators', to: '/authentication' }
    case 'readable_secrets':
      return { kind: 'run', command: ['chmod', 'o-rwx', ...textsOf(point, 'files').map(shellWord)].join(' ') }
    case 'data_directory':
      return { kind: 'run', command: ['chmod', 'go-rwx', ...textsOf(point, 'directories').map(shellWord)].join(' ') }
    case 'proxies':
      return settingsOf('proxy_networks')
    case 'foreign_pages':
      return settingsOf('allowed_origins')
    case 'unlimited':
      return setting('security.remedy.setting', textsOf(point, 'settings')[0] ?? '')
    case 'durability':
      return { kind: 'do', title: 'security.remedy.sync', act: () => changeSetting('durability', 'sync') }
    case 'runs_as_root':
      return { kind: 'say', what: 'security.remedy.user' }
    case 'old_version':
      return { kind: 'say', what: 'security.remedy.newer' }
    case 'backup_age':
      return { kind: 'go', title: 'security.remedy.backup', to: { path: '/backups', query: { do: 'make' } } }
    default:
      return null
  }
}

function setting(title: Key, key: string): Remedy {
  return { kind: 'go', title, to: { path: '/settings', query: { q: key, edit: key } } }
}

function settingsOf(part: string): Remedy {
  return { kind: 'go', title: 'security.remedy.setting', to: { path: '/settings', query: { q: part } } }
}

/** For passwords from now on; those of before cannot be made anew without knowing them. */
async function useArgon(): Promise<void> {
  const own = (await listAuthenticators()).find((one) => idOf(one) === BUILT_IN)
  if (own) await changeAuthenticator({ ...own, password_hash_algorithm: { name: 'argon2id' } })
}
