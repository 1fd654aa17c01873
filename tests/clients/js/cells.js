// MQTT.js, one transport, one version: goes through the features of the matrix.
// Usage: node cells.js HOST PORT tcp|ws 3.1|3.1.1|5. Prints `feature ok` or `feature FAIL why`.

const { randomUUID } = require("node:crypto");
const mqtt = require("mqtt");

const PATIENCE = 10_000;
const [host, port, transport, version] = process.argv.slice(2);
const LEVEL = { "3.1": 3, "3.1.1": 4, 5: 5 }[version];

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A connected client whose messages wait in a list.
class Peer {
  static async open(options = {}) {
    const scheme = transport === "ws" ? "ws" : "mqtt";
    const path = transport === "ws" ? "/mqtt" : "";
    const keep = options.keep === true;
    const peer = new Peer();
    peer.inbox = [];
    peer.waiting = [];
    peer.client = mqtt.connect(`${scheme}://${host}:${port}${path}`, {
      protocolVersion: LEVEL,
      protocolId: LEVEL === 3 ? "MQIsdp" : "MQTT",
      clientId: options.name ?? `js-${randomUUID().slice(0, 12)}`,
      clean: !keep,
      reconnectPeriod: 0,
      will: options.will,
      ...(keep && LEVEL === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
    });
    peer.client.on("message", (topic, payload, packet) => {
      const waiter = peer.waiting.shift();
      if (waiter) waiter(packet);
      else peer.inbox.push(packet);
    });
    const connack = new Promise((resolve, reject) => {
      peer.client.once("connect", resolve);
      peer.client.once("error", reject);
    });
    peer.connack = await within(connack, "CONNACK");
    peer.client.on("error", () => {});
    return peer;
  }

  async subscribe(topic, qos) {
    const granted = await within(this.client.subscribeAsync(topic, { qos }), "SUBACK");
    expect(granted[0].qos, qos);
  }

  publish(topic, payload, qos = 0, retain = false) {
    return within(this.client.publishAsync(topic, payload, { qos, retain }), "answer");
  }

  next() {
    if (this.inbox.length > 0) return Promise.resolve(this.inbox.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), "message");
  }

  close() {
    return within(this.client.endAsync(), "end");
  }
}

function expect(got, due) {
  if (got !== due) throw new Error(`got ${got}, not ${due}`);
}

async function flow(qos) {
  const topic = `cell/${randomUUID()}`;
  const [listener, speaker] = [await Peer.open(), await Peer.open()];
  await listener.subscribe(topic, qos);
  for (let n = 0; n < 10; n++) await speaker.publish(topic, `${n}`, qos);
  for (let n = 0; n < 10; n++) {
    const got = await listener.next();
    expect(got.payload.toString(), `${n}`);
    expect(got.qos, qos);
  }
  await listener.close();
  await speaker.close();
}

async function retained() {
  const topic = `cell/${randomUUID()}`;
  const speaker = await Peer.open();
  await speaker.publish(topic, "kept", 1, true);
  const late = await Peer.open();
  await late.subscribe(topic, 1);
  const got = await late.next();
  expect(got.payload.toString(), "kept");
  expect(got.retain, true);
  await speaker.publish(topic, "", 1, true);
  expect((await late.next()).payload.length, 0);
  const later = await Peer.open();
  await later.subscribe(topic, 1);
  await speaker.publish(topic, "end", 1);
  expect((await later.next()).payload.toString(), "end");
  for (const peer of [speaker, late, later]) await peer.close();
}

async function will() {
  const topic = `cell/${randomUUID()}`;
  const witness = await Peer.open();
  await witness.subscribe(topic, 1);
  const lost = await Peer.open({ will: { topic, payload: Buffer.from("gone"), qos: 1 } });
  lost.client.stream.destroy();
  expect((await witness.next()).payload.toString(), "gone");
  await witness.close();
}

async function session() {
  const topic = `cell/${randomUUID()}`;
  const name = `kept-${randomUUID().slice(0, 12)}`;
  let sleeper = await Peer.open({ name, keep: true });
  expect(Boolean(sleeper.connack.sessionPresent), false);
  await sleeper.subscribe(topic, 1);
  await sleeper.close();
  const speaker = await Peer.open();
  await speaker.publish(topic, "meanwhile", 1);
  sleeper = await Peer.open({ name, keep: true });
  // 3.1 has no flag to say it with.
  expect(Boolean(sleeper.connack.sessionPresent), LEVEL !== 3);
  expect((await sleeper.next()).payload.toString(), "meanwhile");
  await sleeper.close();
  await speaker.close();
}

const FEATURES = {
  qos0: () => flow(0),
  qos1: () => flow(1),
  qos2: () => flow(2),
  retained,
  will,
  session,
};

(async () => {
  for (const [feature, story] of Object.entries(FEATURES)) {
    try {
      await story();
      console.log(feature, "ok");
    } catch (why) {
      console.log(feature, "FAIL", String(why).replaceAll("\n", " "));
    }
  }
  process.exit(0);
})();
