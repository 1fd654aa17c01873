// Words of clients that come and go too often.
import type zh from '../zh/flapping'
import type { Same } from '..'

export default {
  flapping: {
    title: 'Clients that come and go',
    isOn: 'Whoever disconnects {n} times in {window} is banned for {ban}, by itself.',
    isOff: 'They are not banned by themselves.',
    change: 'Change',
    what: 'A client with a mistake in it, or on a bad network, may connect and disconnect without end and keep the broker busy. The broker can ban such clients for a while, by their client ID.',
    enable: 'Ban them by itself',
    count: 'Times that one disconnects',
    countForm: 'Enter a whole number from 2 to 1000000.',
    window: 'In what time',
    timeHint: 'Such as 30s or 1m.',
    windowForm: 'Enter a time from 1s to 1h, such as 1m.',
    ban: 'Banned for',
    banHint: 'Such as 5m, 1h or 7d.',
    banForm: 'Enter a time from 1s to 49710d, such as 5m.',
    detector: 'the broker',
    reason: 'came and went too often',
  },
} satisfies Same<typeof zh>
