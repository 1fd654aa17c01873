"""One paho-mqtt client, one transport, one version: goes through the features of the matrix.

Usage: paho_cells.py HOST PORT tcp|ws 3.1|3.1.1|5. Prints `feature ok` or `feature FAIL why`.
Runs on paho-mqtt 1.6.1 and 2.x.
"""

import queue
import sys
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 10
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}


class Peer:
    """A connected client whose messages land in a queue."""

    def __init__(self, where, name=None, keep=False, will=None, threaded=True):
        self.version = where["version"]
        name = name or f"paho-{uuid.uuid4().hex[:12]}"
        options = {"client_id": name, "protocol": PROTOCOL[self.version],
                   "transport": "websockets" if where["transport"] == "ws" else "tcp"}
        if self.version != "5":
            options["clean_session"] = not keep
        if hasattr(mqtt, "CallbackAPIVersion"):
            self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, **options)
        else:
            self.client = mqtt.Client(**options)
        self.messages, self.events = queue.Queue(), queue.Queue()
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = lambda *a: self.events.put(("subscribed", a[2], None))
        if will:
            self.client.will_set(*will)
        extra = {}
        if self.version == "5":
            extra["clean_start"] = not keep
            if keep:
                extra["properties"] = Properties(PacketTypes.CONNECT)
                extra["properties"].SessionExpiryInterval = 60
        self.client.connect(where["host"], where["port"], 60, **extra)
        if threaded:
            self.client.loop_start()
            _, rc, self.session_present = self.event("connected")
        else:
            while self.events.empty():
                self.client.loop(0.1)
            _, rc, self.session_present = self.event("connected")
        assert rc == 0, f"refused: {rc}"

    def on_connect(self, client, userdata, flags, rc, properties=None):
        present = flags["session present"] if isinstance(flags, dict) else flags.session_present
        self.events.put(("connected", rc, bool(present)))

    def event(self, kind):
        event = self.events.get(timeout=PATIENCE)
        assert event[0] == kind, event
        return event

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        self.event("subscribed")

    def publish(self, topic, payload, qos=0, retain=False):
        info = self.client.publish(topic, payload, qos, retain)
        info.wait_for_publish()

    def next(self):
        return self.messages.get(timeout=PATIENCE)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def flow(where, qos):
    topic = f"cell/{uuid.uuid4().hex}"
    listener, speaker = Peer(where), Peer(where)
    listener.subscribe(topic, qos)
    for n in range(10):
        speaker.publish(topic, str(n), qos)
    for n in range(10):
        got = listener.next()
        assert (got.payload, got.qos, got.topic) == (str(n).encode(), qos, topic), got.payload
    listener.close()
    speaker.close()


def retained(where):
    topic = f"cell/{uuid.uuid4().hex}"
    speaker = Peer(where)
    speaker.publish(topic, "kept", 1, True)
    late = Peer(where)
    late.subscribe(topic, 1)
    got = late.next()
    assert got.payload == b"kept" and got.retain
    speaker.publish(topic, "", 1, True)
    assert late.next().payload == b""
    later = Peer(where)
    later.subscribe(topic, 1)
    speaker.publish(topic, "end", 1)
    got = later.next()
    assert got.payload == b"end" and not got.retain, "cleared, but something was retained"
    for peer in (speaker, late, later):
        peer.close()


def will(where):
    topic = f"cell/{uuid.uuid4().hex}"
    witness = Peer(where)
    witness.subscribe(topic, 1)
    lost = Peer(where, will=(topic, "gone", 1, False), threaded=False)
    lost.client.socket().close()
    assert witness.next().payload == b"gone"
    witness.close()


def session(where):
    topic, name = f"cell/{uuid.uuid4().hex}", f"kept-{uuid.uuid4().hex[:12]}"
    sleeper = Peer(where, name, keep=True)
    assert not sleeper.session_present
    sleeper.subscribe(topic, 1)
    sleeper.close()
    speaker = Peer(where)
    speaker.publish(topic, "meanwhile", 1)
    sleeper = Peer(where, name, keep=True)
    # 3.1 has no flag to say it with.
    assert sleeper.session_present == (where["version"] != "3.1")
    assert sleeper.next().payload == b"meanwhile"
    sleeper.close()
    speaker.close()


FEATURES = {
    "qos0": lambda where: flow(where, 0),
    "qos1": lambda where: flow(where, 1),
    "qos2": lambda where: flow(where, 2),
    "retained": retained,
    "will": will,
    "session": session,
}

if __name__ == "__main__":
    host, port, transport, version = sys.argv[1:]
    place = {"host": host, "port": int(port), "transport": transport, "version": version}
    for feature, story in FEATURES.items():
        try:
            story(place)
            print(feature, "ok", flush=True)
        except Exception as why:  # whatever it is, it is this cell's failure, not the run's
            print(feature, "FAIL", type(why).__name__, str(why).replace("\n", " "), flush=True)
