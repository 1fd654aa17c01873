"""MQTT behind the table, so that no list is empty: four clients, and what they are asked to do."""

import time

from broker import Peer


class Traffic:
    def __init__(self, broker):
        self.broker, self.peers = broker, {}
        reader = self.connect("reader", "u-reader").subscribe("t/#", 1).subscribe("$share/g/s/+", 2)
        writer = self.connect("writer", version=4)
        away = self.connect("away", expiry=3600).subscribe("away/#", 1)
        slow = self.connect("slow", "u-slow", expiry=3600, receive_max=1, acknowledges=False).subscribe("slow/#", 1)
        away.close()
        for topic, payload in (("kept/1", b"one"), ("kept/2", b"two"), ("kept/2/3", b"three")):
            writer.publish(topic, payload, retain=True)
        for topic, payload in (("later/1", b"small"), ("later/2", b"x" * 3000), ("later/3", b"last")):
            writer.publish(f"$delayed/3600/{topic}", payload)
        for _ in range(3):
            writer.publish("slow/1", b"heavy")
        slow.message()
        self.say_something()
        reader.message()

    def connect(self, name, username=None, **options):
        self.peers[name] = Peer(self.broker, name, username, **options)
        return self.peers[name]

    def connect_victims(self):
        for name in ("kicked", "kicked-1", "kicked-2"):
            self.connect(name)

    def say_something(self):
        for qos in (0, 1, 2):
            self.peers["writer"].publish("t/1", b"something", qos)

    def acknowledge_late(self):
        """A subscriber that takes longer over a message than is allowed."""
        late = self.connect("late", acknowledges=False).subscribe("late", 1)
        self.peers["writer"].publish("late", b"x")
        message = late.message()
        time.sleep(0.05)
        late.acknowledge(message)

    def close(self):
        for peer in self.peers.values():
            peer.close()
