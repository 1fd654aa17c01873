"""`Mqtt_Publisher` and `Mqtt_Subscriber`: the classes that programs copied from a tutorial define.

A program drops its own two classes, imports these, and goes on as it is: names, arguments and
attributes are kept. `anonymous=True` adds six random digits to the client's id; it has nothing to
do with users and passwords. `timeout` is MQTT's keep-alive in seconds.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Callable, Iterator

from .errors import say
from .link import Connection
from .publisher import DROPPED, REFUSED, Delivery, Publisher
from .subscriber import Message, Subscriber

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Node:
    """What both have in common."""

    def __init__(self, central_ip: str | None, port: int | None, node_name: str, anonymous: bool,
                 timeout: int, options: Connection) -> None:
        if anonymous:
            node_name += str(random.randint(100000, 999999))
        self.node_name = options.pop("client_id", None) or node_name
        self.timeout = timeout
        self._address = (central_ip, port)
        self._options = options
        self._link: Publisher | Subscriber | None = None
        self.client: Any = None
        self.Start()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None and self._link.connected

    @connected.setter
    def connected(self, value: bool) -> None:
        # An `on_connect` of one's own may set it, as the tutorial's does; it is true then anyway.
        pass

    @property
    def error(self) -> Exception | None:
        """Why the last attempt to connect failed."""
        return self._link.error if self._link is not None else None

    def Start(self) -> None:
        """Connects, anew if need be, and waits until the broker has answered."""
        self.Stop()
        options = self._options.copy()
        options.update({"client_id": self.node_name, "keepalive": self.timeout,
                        "_hook": self.on_connect})
        self._link = self._make(options)
        self.client = self._link.client
        self.broker_ip, self.broker_port = self._link.host, self._link.port

    def Stop(self) -> None:
        """Says goodbye to the broker."""
        if self._link is not None:
            self._link.close()

    def wait_connected(self, timeout: float = 10) -> None:
        """Waits for the connection; raises ConnectError if there is none in time."""
        if self._link is not None:
            self._link.wait_connected(timeout)

    def on_connect(self, client: Any, userdata: Any, flags: Any, rc: int) -> None:
        """For subclasses: called with each answer of the broker, 0 for yes."""

    def _make(self, options: Connection) -> Publisher | Subscriber:
        raise NotImplementedError


class Mqtt_Publisher(_Node):
    """Publishes; while there is no connection, messages wait in a bounded buffer."""

    def __init__(self, central_ip: str | None = None, port: int | None = None,
                 node_name: str = "bci_", anonymous: bool = True, timeout: int = 10,
                 **options: Unpack[Connection]) -> None:
        super().__init__(central_ip, port, node_name, anonymous, timeout, options)

    def _make(self, options: Connection) -> Publisher:
        return Publisher(*self._address, **options)

    def Publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> Sent:
        """Publishes one message."""
        if not isinstance(self._link, Publisher) or self._link._closing:
            raise ConnectionError(say("not connected to the MQTT server: Start() connects",
                                      "尚未连接 MQTT 服务器：请先调用 Start()"))
        return Sent(self._link.publish(topic, payload, qos, retain))


class Mqtt_Subscriber(_Node):
    """Subscribes, again with each connection, and prints payloads or calls `callback_func`."""

    def __init__(self, central_ip: str | None = None, port: int | None = None,
                 topic_name: str = "test", callback_func: Callable[..., object] | None = None,
                 node_name: str = "bci_", anonymous: bool = True, timeout: int = 10,
                 **options: Unpack[Connection]) -> None:
        self.topic = topic_name
        self.callback = callback_func
        super().__init__(central_ip, port, node_name, anonymous, timeout, options)

    def _make(self, options: Connection) -> Subscriber:
        return Subscriber(self.topic, *self._address, on_message=self._take, **options)

    def _take(self, message: Message) -> None:
        take = self.callback or self.default_on_message
        take(self.client, None, message.raw)

    def default_on_message(self, client: Any, userdata: Any, msg: Any) -> None:
        """Prints the payload."""
        print(msg.payload.decode("utf-8", "replace"), flush=True)


class Sent:
    """What `Publish` returns, with the names of paho's MQTTMessageInfo."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    @property
    def rc(self) -> int:
        """0, or 15 (as paho says for a full queue) if it was dropped or refused."""
        return 15 if self.delivery.state in (DROPPED, REFUSED) else 0

    @property
    def mid(self) -> int:
        """The packet's id once it was sent, before that 0."""
        return self.delivery.mid

    def is_published(self) -> bool:
        """Whether the broker has it (QoS 1 and 2), or the system took it (QoS 0)."""
        return self.delivery.done

    def wait_for_publish(self, timeout: float | None = None) -> None:
        """Waits for that."""
        self.delivery.wait(timeout)

    def __iter__(self) -> Iterator[int]:
        return iter((self.rc, self.mid))

    def __getitem__(self, at: int) -> int:
        return (self.rc, self.mid)[at]
