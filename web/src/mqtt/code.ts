// A message as a program that publishes it: for a shell, and in Python for both generations of paho-mqtt.
// Each runs as it stands; a browser test takes them from the page and runs them.
import { base64, plainHex } from '@/payload/bytes'
import { isText } from '@/payload/text'

import type { Message } from './message'
import type { Version } from './profile'
import { pairs, type Wire } from './properties'

export interface Target {
  readonly host: string
  readonly port: number
  readonly version: Version
  /** Empty: none is asked for. */
  readonly username: string
}

export interface Program {
  readonly code: string
  /** What it cannot carry. */
  readonly lacks: readonly ('zero' | 'control')[]
}

/** Longer payloads go by a pipe. */
const ARGUMENT_MAX = 16_384
const LINE = 76
/** Would not be seen, or would be done, where a program is read or pasted. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\u{e0000}-\u{e0fff}]+/gu
const CONTROL = /[\u0001-\u001f\u007f-\u009f]/

/** With mosquitto_pub, in the words of a POSIX shell. */
export function asMosquitto(message: Message, target: Target): Program {
  const { topic, payload, qos, retain, properties } = message
  const lacks: Program['lacks'][number][] = []
  const words = ['mosquitto_pub', '-h', shellWord(bare(target.host)), '-p', String(target.port)]
  if (target.version === 5) words.push('-V', 'mqttv5')
  if (target.username !== '') words.push('-u', shellWord(target.username), '-P', '"$MQTT_PASSWORD"')
  words.push('-t', shellWord(topic), '-q', String(qos))
  if (retain) words.push('-r')
  // mosquitto_pub takes such names for malformed.
  if (CONTROL.test(topic)) lacks.push('control')
  for (const [name, ...values] of target.version === 5 ? options(properties) : []) words.push('-D', 'publish', name, ...values.map(shellWord))
  const correlation = target.version === 5 ? properties?.correlationData : undefined
  if (correlation?.includes(0)) lacks.push('zero')
  else if (correlation) words.push('-D', 'publish', 'correlation-data', isText(correlation) ? shellWord(new TextDecoder().decode(correlation)) : octal(correlation))
  return { code: withPayload(words, payload), lacks }
}

function withPayload(words: readonly string[], payload: Uint8Array): string {
  const command = words.join(' ')
  if (payload.length === 0) return `${command} -n`
  if (payload.length <= ARGUMENT_MAX && !payload.includes(0) && isText(payload)) {
    return `${command} -m ${shellWord(new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload))}`
  }
  return `base64 -d <<'END' | ${command} -s\n${lines(payload).join('\n')}\nEND`
}

function options(properties: Wire | undefined): [name: string, ...values: string[]][] {
  if (properties === undefined) return []
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, userProperties } = properties
  return [
    ...(payloadFormatIndicator ? [['payload-format-indicator', '1'] as [string, string]] : []),
    ...(messageExpiryInterval === undefined ? [] : [['message-expiry-interval', String(messageExpiryInterval)] as [string, string]]),
    ...(contentType ? [['content-type', contentType] as [string, string]] : []),
    ...(responseTopic ? [['response-topic', responseTopic] as [string, string]] : []),
    ...pairs(userProperties).map(([name, value]): [string, string, string] => ['user-property', name, value]),
  ]
}

/** One word for the shell, in which nothing is hidden: what is not seen is written by its bytes. */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text
  let word = ''
  let at = 0
  for (const found of text.matchAll(UNSEEN)) {
    word += quoted(text.slice(at, found.index)) + octal(new TextEncoder().encode(found[0]))
    at = found.index + found[0].length
  }
  const rest = text.slice(at)
  return rest === '' && word !== '' ? word : word + quoted(rest)
}

function quoted(text: string): string {
  return text === '' ? "''" : `'${text.replaceAll("'", "'\\''")}'`
}

function octal(bytes: Uint8Array): string {
  return `"$(printf '${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}')"`
}

function lines(bytes: Uint8Array): string[] {
  const text = base64(bytes)
  return Array.from({ length: Math.ceil(text.length / LINE) }, (_, at) => text.slice(at * LINE, (at + 1) * LINE))
}

export function asPython(message: Message, target: Target): Program {
  const { topic, payload, qos, retain, properties } = message
  const isFive = target.version === 5
  const given = isFive ? pythonProperties(properties) : []
  const bytes = pythonPayload(payload)
  const imports = [
    ...(bytes.startsWith('base64.') ? ['import base64'] : []),
    ...(target.username === '' ? [] : ['import os']),
    ...(isFive ? ['import paho.mqtt.client as mqtt'] : []),
    'import paho.mqtt.publish as publish',
    ...(given.length > 0 ? ['from paho.mqtt.packettypes import PacketTypes', 'from paho.mqtt.properties import Properties'] : []),
  ]
  const entries = [
    `    "topic": ${pythonText(topic)},`,
    `    "payload": ${bytes},`,
    `    "qos": ${qos},`,
    `    "retain": ${retain ? 'True' : 'False'},`,
    ...(given.length > 0 ? ['    "properties": properties,'] : []),
  ]
  const options = [
    `hostname=${pythonText(bare(target.host))}`,
    `port=${target.port}`,
    ...(target.username === '' ? [] : [`auth={"username": ${pythonText(target.username)}, "password": os.environ["MQTT_PASSWORD"]}`]),
    ...(isFive ? ['protocol=mqtt.MQTTv5'] : []),
  ]
  const code = [
    ...imports,
    '',
    ...(given.length > 0 ? ['properties = Properties(PacketTypes.PUBLISH)', ...given, ''] : []),
    'message = {',
    ...entries,
    '}',
    `publish.multiple([message], ${options.join(', ')})`,
  ]
  return { code: code.join('\n'), lacks: [] }
}

function pythonProperties(properties: Wire | undefined): string[] {
  if (properties === undefined) return []
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData, userProperties } = properties
  return [
    ...(payloadFormatIndicator ? ['properties.PayloadFormatIndicator = 1'] : []),
    ...(messageExpiryInterval === undefined ? [] : [`properties.MessageExpiryInterval = ${messageExpiryInterval}`]),
    ...(contentType ? [`properties.ContentType = ${pythonText(contentType)}`] : []),
    ...(responseTopic ? [`properties.ResponseTopic = ${pythonText(responseTopic)}`] : []),
    ...(correlationData?.length ? [`properties.CorrelationData = bytes.fromhex("${plainHex(correlationData)}")`] : []),
    ...pairs(userProperties).map(([name, value]) => `properties.UserProperty = (${pythonText(name)}, ${pythonText(value)})`),
  ]
}

function pythonPayload(payload: Uint8Array): string {
  if (isText(payload)) return pythonText(new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload))
  if (payload.length <= 32) return `bytes.fromhex("${plainHex(payload)}")`
  return `base64.b64decode("""\n${lines(payload).join('\n')}\n""")`
}

/** As JSON writes it, which Python reads alike; what is not seen by its number. */
export function pythonText(text: string): string {
  return JSON.stringify(text).replace(UNSEEN, (found) =>
    [...found].map((one) => {
      const point = one.codePointAt(0) ?? 0
      return point > 0xffff ? `\\U${point.toString(16).padStart(8, '0')}` : `\\u${point.toString(16).padStart(4, '0')}`
    }).join(''),
  )
}

/** Programs want an IPv6 address without the brackets that URLs have. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
