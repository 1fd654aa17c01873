// Programs that connect, subscribe to `test` and publish there. Each runs as it stands, on whatever version
// its reader has: tests/clients/snippets.py runs them.
export interface Snippet {
  readonly id: string
  readonly title: string
  /** How to get what it needs; empty if nothing is. */
  readonly install: string
  readonly code: string
  /** No program: what is typed into a window. */
  readonly isForm?: true
}

export function snippets(host: string, port: number): readonly Snippet[] {
  const bare = host.replace(/^\[|\]$/g, '')
  return [
    {
      id: 'python',
      title: 'Python',
      // Debian 12 and Ubuntu 23.04 and later keep pip out of the system's own packages.
      install: 'sudo apt install python3-paho-mqtt\n# python3 -m venv venv && venv/bin/pip install paho-mqtt',
      code: `import paho.mqtt.client as mqtt

def on_connect(client, userdata, flags, rc, *rest):
    print("connected:", rc)
    client.subscribe("test")
    client.publish("test", "hello from Python")

def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())

if hasattr(mqtt, "CallbackAPIVersion"):  # paho-mqtt 2
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
else:  # paho-mqtt 1
    client = mqtt.Client()
client.on_connect = on_connect
client.on_message = on_message
client.connect("${bare}", ${port}, 60)
client.loop_forever()`,
    },
    {
      id: 'javascript',
      title: 'JavaScript',
      install: 'npm install mqtt',
      code: `import mqtt from "mqtt"

const client = mqtt.connect("mqtt://${host}:${port}")
client.on("connect", () => {
  client.subscribe("test")
  client.publish("test", "hello from JavaScript")
})
client.on("message", (topic, payload) => console.log(topic, payload.toString()))`,
    },
    {
      id: 'c',
      title: 'C',
      install: 'sudo apt install libpaho-mqtt-dev\ngcc first.c -o first -lpaho-mqtt3c',
      code: `#include <stdio.h>
#include <string.h>
#include <MQTTClient.h>

int main(void) {
    MQTTClient client;
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_create(&client, "tcp://${host}:${port}", "c-client",
                      MQTTCLIENT_PERSISTENCE_NONE, NULL);
    if (MQTTClient_connect(client, &options) != MQTTCLIENT_SUCCESS) return 1;
    MQTTClient_subscribe(client, "test", 0);
    const char *text = "hello from C";
    MQTTClient_publish(client, "test", (int)strlen(text), text, 0, 0, NULL);
    char *topic = NULL;
    int length = 0;
    MQTTClient_message *message = NULL;
    MQTTClient_receive(client, &topic, &length, &message, 5000);
    if (message) printf("%s %.*s\\n", topic, message->payloadlen, (char *)message->payload);
    MQTTClient_disconnect(client, 1000);
    return 0;
}`,
    },
    {
      id: 'mosquitto',
      title: 'mosquitto',
      install: 'sudo apt install mosquitto-clients',
      code: `mosquitto_sub -h ${bare} -p ${port} -t test -v &
mosquitto_pub -h ${bare} -p ${port} -t test -m "hello from mosquitto"`,
    },
    {
      id: 'ternmq',
      title: 'ternmq',
      install: '',
      code: `ternmq sub -h ${bare} -p ${port} -t test -v &
ternmq pub -h ${bare} -p ${port} -t test -m "hello from ternmq"`,
    },
    {
      id: 'mqttx',
      title: 'MQTTX',
      install: 'https://mqttx.app/downloads',
      isForm: true,
      code: `New Connection
  Name   TernMQ
  Host   mqtt:// ${host}
  Port   ${port}
  Connect

New Subscription
  Topic  test

Publish
  Topic  test`,
    },
  ]
}
