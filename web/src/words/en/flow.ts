// Words of the flow picture and the wall display.
import type zh from '../zh/flow'
import type { Same } from '..'

export default {
  flow: {
    title: 'Message flow',
    publisher: 'Publishers',
    topic: 'Topics',
    reader: 'Subscribers',
    others: '{n} others',
    rate: '{rate} msg/s',
    unit: '/s',
    away: 'not connected',
    queued: 'queue of {n}',
    lost: 'messages lost: {why}',
    reason: {
      queue_full: 'queue full',
      too_large: 'too large',
      expired: 'expired',
      offline: 'offline',
      connection_lost: 'connection lost',
      trimmed: 'log trimmed',
      no_member: 'no member',
    },
    publishes: 'publishes to',
    gets: 'gets',
    what: 'Direction',
    remarks: 'Remarks',
    none: 'No messages now. When there are, this shows who publishes, to which topic, and who gets it.',
    asTable: 'Table',
    asPicture: 'Picture',
  },
  wall: {
    title: 'Wall display',
    key: 'the overview as a wall display',
    share: 'Make a link to the wall display',
    whole: 'Full screen',
    noLink: 'This address lacks the key of a wall display. Use the whole link.',
    ended: 'The link may have expired or been taken back. Ask an administrator for another one.',
  },
} satisfies Same<typeof zh>
