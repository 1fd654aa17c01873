"""Publish and subscribe with MQTT.

    from ternmq import Publisher, Subscriber

    with Publisher("192.168.1.20") as publisher:
        publisher.publish("lab/temperature", "21.5")

Connections mend themselves; what is published meanwhile waits in a bounded buffer.
"""

from .errors import ConnectError, SubscribeError
from .link import Will
from .publisher import Delivery, Publisher, SampleStream
from .samples import KINDS, Samples, pack_samples, unpack_samples
from .subscriber import Message, Subscriber
from .tutorial import Mqtt_Publisher, Mqtt_Subscriber

__version__ = "0.1.0"

__all__ = [
    "KINDS",
    "ConnectError",
    "Delivery",
    "Message",
    "Mqtt_Publisher",
    "Mqtt_Subscriber",
    "Publisher",
    "SampleStream",
    "Samples",
    "SubscribeError",
    "Subscriber",
    "Will",
    "pack_samples",
    "unpack_samples",
]
