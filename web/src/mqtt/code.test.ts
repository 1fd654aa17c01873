import { execFileSync } from 'node:child_process'

import { expect, it } from 'vitest'

import { asMosquitto, asPython, pythonText, shellWord, type Target } from './code'
import type { Message } from './message'

const target: Target = { host: '[::1]', port: 1883, version: 5, username: '' }
const bytes = (text: string) => new TextEncoder().encode(text)
const message: Message = { number: 1, at: 0, isOut: false, topic: 'a b', payload: bytes("it's"), qos: 1, retain: true, dup: false, properties: undefined }

const ODD = ["it's", 'a\nb\n', '\u202ex', 'x\u200b', '$(id)`id`"\\', '', '-n', '\r\t\u0001', '温度🌡\u{e0041}', ' ', "'\u200d'"]

it('writes words that a shell reads back as they were', () => {
  for (const text of ODD) {
    const read = execFileSync('sh', ['-c', `printf '%s' ${shellWord(text)}`], { encoding: 'utf8' })
    expect(read, JSON.stringify(text)).toBe(text)
  }
})

it('hides nothing in them', () => {
  for (const text of ODD) for (const written of [shellWord(text), pythonText(text)]) expect(written).not.toMatch(/[\u200b-\u200f\u202a-\u202e\r\u0001]/)
})

it('writes texts that Python reads back as they were', () => {
  const read = execFileSync('python3', ['-c', `import sys; sys.stdout.buffer.write(repr([${ODD.map(pythonText).join(', ')}] == eval(sys.argv[1])).encode())`, JSON.stringify(ODD)], { encoding: 'utf8' })
  expect(read).toBe('True')
})

it('carries all of a message', () => {
  expect(asMosquitto(message, target).code).toBe("mosquitto_pub -h ::1 -p 1883 -V mqttv5 -t 'a b' -q 1 -r -m 'it'\\''s'")
  expect(asMosquitto({ ...message, payload: bytes('') }, { ...target, version: 4, username: 'u' }).code).toBe(`mosquitto_pub -h ::1 -p 1883 -u u -P "$MQTT_PASSWORD" -t 'a b' -q 1 -r -n`)
  expect(asMosquitto({ ...message, payload: new Uint8Array([0]) }, target).code).toMatch(/^base64 -d <<'END' \| mosquitto_pub .* -s\nAA==\nEND$/)
  const properties = { messageExpiryInterval: 0, responseTopic: 'r', correlationData: new Uint8Array([255]) as Buffer, userProperties: { a: ['1', '2'] } }
  expect(asMosquitto({ ...message, properties }, target).code).toContain(`-D publish message-expiry-interval 0 -D publish response-topic r -D publish user-property a 1 -D publish user-property a 2 -D publish correlation-data "$(printf '\\377')"`)
  expect(asPython({ ...message, properties }, target).code).toContain('properties.UserProperty = ("a", "2")')
  expect(asPython(message, { ...target, version: 4 }).code).not.toContain('Properties')
})

it('says what a shell cannot carry', () => {
  const properties = { correlationData: new Uint8Array([0]) as Buffer }
  expect(asMosquitto({ ...message, topic: 'a\u0001', properties }, target).lacks).toEqual(['control', 'zero'])
  expect(asMosquitto({ ...message, properties }, target).code).not.toContain('correlation-data')
})
