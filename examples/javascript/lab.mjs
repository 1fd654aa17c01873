// A sensor in JavaScript, with MQTT.js: connects, says that it is there, publishes a number each second and prints
// what is published below lab/. When the connection is lost it comes back by itself, and so does its will.
//
//     npm install mqtt
//     node lab.mjs 127.0.0.1 1883

import mqtt from "mqtt"

const [host = "127.0.0.1", port = "1883"] = process.argv.slice(2)
const state = "lab/js/online"

const client = mqtt.connect(`mqtt://${host}:${port}`, {
  protocolVersion: 5,
  clientId: "js-sensor",
  will: { topic: state, payload: "false", qos: 1, retain: true },
  // With users: username and password; with TLS, on port 8883: mqtts:// and ca.
})

client.on("connect", () => {
  // Anew with each connection: the session may be new, too.
  client.subscribe("lab/#", { qos: 1 })
  client.publish(state, "true", { qos: 1, retain: true })
})
client.on("message", (topic, payload) => console.log(topic, payload.toString()))
client.on("error", (error) => console.error(error.message))

let count = 0
setInterval(() => client.publish("lab/js/value", JSON.stringify({ count: ++count }), { qos: 1 }), 1000)
