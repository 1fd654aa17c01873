// Publishes at a steady rate and says in the end how many it has sent:
// `node publisher.js mqtt://HOST:PORT TOPIC BYTES RATE SECONDS`.
import mqtt from 'mqtt'

const [url = '', topic = '', bytes = '64', rate = '1000', seconds = '10'] = process.argv.slice(2)
const EVERY_MS = 10

const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 })
const payload = Buffer.alloc(Number(bytes), 'x')
const begin = performance.now()
let sent = 0

/** What is due by now; a late timer makes up for what it missed. */
async function send() {
  const due = Math.floor((Math.min(performance.now() - begin, Number(seconds) * 1000) * Number(rate)) / 1000)
  while (sent < due) {
    sent += 1
    payload.writeUInt32BE(sent % 2 ** 32)
    client.publish(topic, payload)
  }
  if (performance.now() - begin < Number(seconds) * 1000) return
  clearInterval(timer)
  await client.endAsync()
  console.log(sent)
}

const timer = setInterval(() => void send(), EVERY_MS)
