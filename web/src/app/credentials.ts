// As whom a connection of this page comes to the broker: as an MQTT user that is tested; else as whoever is
// signed in, by a ticket that is good once; before a password was set as an anonymous client.
import { api, body } from '@/api'
import type { Credentials } from '@/mqtt/connection'
import type { Profile } from '@/mqtt/profile'

import { session } from './session'

export async function credentialsFor(profile: Profile): Promise<Credentials> {
  if (profile.username !== '') return { username: profile.username, password: profile.password }
  if (session.person?.mustSetPassword ?? true) return {}
  const { username, ticket } = await body(api.POST('/api/v5/mqtt_ticket'))
  return { username, password: ticket }
}
