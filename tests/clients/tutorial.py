"""The scripts of examples/python, and the order of calls that older programs use.

Usage: tutorial.py HOST PORT. Prints `feature ok` or `feature FAIL why`. Runs on paho-mqtt 1.6.1
and 2.x.
"""

import pathlib
import queue
import socket
import sys
import threading
import uuid

import paho.mqtt.client as mqtt

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples" / "python"))

from mqtt_publisher import Mqtt_Publisher  # noqa: E402
from mqtt_subscriber import Mqtt_Subscriber  # noqa: E402

PATIENCE = 10


def pair(where):
    """A publisher and a subscriber of one fresh topic, and the queue where messages land."""
    topic, box, subscribed = f"test-{uuid.uuid4().hex}", queue.Queue(), threading.Event()
    listener = Mqtt_Subscriber(*where, topic_name=topic,
                               callback_func=lambda c, u, message: box.put(message.payload))
    listener.client.on_subscribe = lambda *rest: subscribed.set()
    listener.wait_connected(PATIENCE)
    speaker = Mqtt_Publisher(*where)
    speaker.wait_connected(PATIENCE)
    return topic, box, subscribed, listener, speaker


def until_heard(speaker, topic, box):
    """Publishes until the listener hears it: a subscription takes effect when it is answered."""
    for n in range(100):
        speaker.Publish(topic, str(n), qos=1)
        try:
            return box.get(timeout=0.1)
        except queue.Empty:
            pass
    raise AssertionError("nothing heard")


def examples(where):
    topic, box, _, listener, speaker = pair(where)
    until_heard(speaker, topic, box)
    listener.Stop()
    speaker.Stop()
    assert not speaker.connected
    try:
        speaker.Publish(topic, "x")
        raise AssertionError("published without a connection")
    except ConnectionError:
        pass


def reconnect(where):
    topic, box, subscribed, listener, speaker = pair(where)
    assert subscribed.wait(PATIENCE) or until_heard(speaker, topic, box)
    subscribed.clear()
    listener.client.socket().shutdown(socket.SHUT_RDWR)
    assert subscribed.wait(PATIENCE), "not subscribed again"
    until_heard(speaker, topic, box)
    listener.Stop()
    speaker.Stop()


def refused(where):
    # Nobody listens on a port that was just given back.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        Mqtt_Publisher(where[0], port)
        raise AssertionError("connected to nobody")
    except OSError:
        pass


def subscribe_first(where):
    """connect, subscribe, loop_start: SUBSCRIBE follows CONNECT without waiting for CONNACK."""
    name = f"first{uuid.uuid4().hex[:12]}"
    if hasattr(mqtt, "CallbackAPIVersion"):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
    else:
        client = mqtt.Client(name)
    box = queue.Queue()
    client.on_message = lambda c, u, message: box.put(message.payload)
    client.connect(*where, 60)
    client.subscribe(name)
    client.loop_start()
    speaker = Mqtt_Publisher(*where)
    speaker.wait_connected(PATIENCE)
    until_heard(speaker, name, box)
    speaker.Stop()
    client.disconnect()
    client.loop_stop()


FEATURES = {
    "examples": examples,
    "reconnect": reconnect,
    "refused": refused,
    "early subscribe": subscribe_first,
}

if __name__ == "__main__":
    place = (sys.argv[1], int(sys.argv[2]))
    for feature, story in FEATURES.items():
        feature = feature.replace(" ", "-")
        try:
            story(place)
            print(feature, "ok", flush=True)
        except Exception as why:  # whatever it is, it is this cell's failure, not the run's
            print(feature, "FAIL", type(why).__name__, str(why).replace("\n", " "), flush=True)
