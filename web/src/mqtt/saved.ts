// Messages as a file: JSON lines with all that is known of each, or rows for a spreadsheet.
import type { Column } from '@/design/table'
import { base64 } from '@/payload/bytes'
import { isText } from '@/payload/text'
import { t } from '@/words'

import type { Message } from './message'
import { fromWire, told } from './properties'

/** One message a line. A payload that is no text stands in `payload_base64`. */
export function jsonLines(messages: readonly Message[]): string {
  return messages.map((message) => `${JSON.stringify(line(message))}\n`).join('')
}

function line(message: Message): object {
  const { at, isOut, topic, payload, qos, retain, dup, properties } = message
  return {
    time: new Date(at).toISOString(),
    direction: isOut ? 'out' : 'in',
    topic,
    qos,
    retain,
    dup,
    ...(isText(payload) ? { payload: new TextDecoder().decode(payload) } : { payload_base64: base64(payload) }),
    ...(properties === undefined ? {} : { properties: fromWire(properties) }),
  }
}

/** For a spreadsheet. */
export function columns(): Column<Message>[] {
  return [
    { key: 'at', title: t('mqtt.column.time'), text: (one) => new Date(one.at).toISOString() },
    { key: 'direction', title: t('mqtt.direction'), text: (one) => t(one.isOut ? 'mqtt.outMark' : 'mqtt.inMark') },
    { key: 'topic', title: t('composer.topic'), text: (one) => one.topic },
    { key: 'qos', title: 'QoS', text: (one) => String(one.qos) },
    { key: 'retain', title: t('mqtt.retain'), text: (one) => t(one.retain ? 'word.yes' : 'word.no') },
    { key: 'size', title: t('mqtt.column.bytes'), text: (one) => String(one.payload.length) },
    { key: 'payload', title: t('mqtt.payload'), text: (one) => (isText(one.payload) ? new TextDecoder().decode(one.payload) : base64(one.payload)) },
    { key: 'properties', title: t('mqtt.properties'), text: (one) => told(one.properties).map(({ name, value }) => `${t(`property.${name}`)}: ${value}`).join('; ') },
  ]
}
