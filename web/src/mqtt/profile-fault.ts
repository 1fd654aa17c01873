// What keeps a profile from being a connection, found before the broker finds it.
import { bytesOf } from '@/payload/bytes'

import { topicFault } from './filter'
import type { Profile } from './profile'
import { binary, type MessageProperties } from './properties'
import { U16, U32 } from './reading'

/** The field that says what is wrong; `other`: one that says so itself. */
export type ProfileFault = 'name' | 'clientId' | 'username' | 'other'

export function profileFault(profile: Profile, numbers: { readonly keepAlive: number | null; readonly connectSecs: number | null }): ProfileFault | null {
  if (profile.name.trim() === '') return 'name'
  if (profile.clientId === '' && !profile.clean) return 'clientId'
  // A password alone would be sent to nobody: who is signed in comes with a ticket instead.
  if (profile.username === '' && profile.password !== '') return 'username'
  const isFine = within(numbers.keepAlive, 0, U16) && within(numbers.connectSecs, 1, 600) && fineWill(profile) && (profile.version === 4 || fineProperties(profile))
  return isFine ? null : 'other'
}

function within(n: number | null, least: number, most: number): boolean {
  return n !== null && Number.isInteger(n) && n >= least && n <= most
}

function fineProperties({ properties, sessionExpiry }: Profile): boolean {
  const { receiveMaximum, packetMax, aliasMax, authData } = properties
  return (
    within(sessionExpiry, 0, U32) &&
    within(receiveMaximum ?? 1, 1, U16) &&
    within(packetMax ?? 1, 1, U32) &&
    within(aliasMax ?? 0, 0, U16) &&
    binary(authData) !== null
  )
}

function fineWill({ will, version }: Profile): boolean {
  if (will === null) return true
  if (topicFault(will.topic) !== null || bytesOf(will.payload, will.encoding) === null) return false
  return version === 4 || (within(will.delaySecs, 0, U32) && fineMessage(will.properties))
}

function fineMessage({ expirySecs, responseTopic, correlation }: MessageProperties): boolean {
  return within(expirySecs ?? 0, 0, U32) && (responseTopic === '' || topicFault(responseTopic) === null) && binary(correlation) !== null
}
