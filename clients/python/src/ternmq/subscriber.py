"""Subscribing: messages wait in a bounded queue for a callback or an iterator.

Callbacks run in a thread of their own: a slow one keeps the connection alive, and one that fails
is logged and does not end anything.
"""

from __future__ import annotations

import collections
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Union

from paho.mqtt.subscribeoptions import SubscribeOptions

from .errors import SubscribeError, not_granted, say
from .link import Connection, Link, log, patiently
from .samples import Samples, unpack_samples

if TYPE_CHECKING:
    from typing_extensions import Unpack

# How long the network's thread waits for room.
FULL_SECS = 1


@dataclass(frozen=True)
class Message:
    """A message as it arrived."""

    topic: str
    payload: bytes
    qos: int
    # Sent because it was kept by the broker, not because it was published now.
    retain: bool
    # Seconds since 1970.
    received: float
    # paho's own.
    raw: Any = field(repr=False, compare=False)

    def text(self, errors: str = "replace") -> str:
        """The payload as UTF-8."""
        return self.payload.decode("utf-8", errors)

    def json(self) -> Any:
        """The payload as JSON; ValueError if it is none."""
        return json.loads(self.payload)

    def samples(self) -> Samples:
        """The payload as a batch of samples; ValueError if it is none."""
        return unpack_samples(self.payload)


Topics = Union[str, Iterable[str]]


class Subscriber(Link):
    """Receives messages; Connection has the other arguments.

        with Subscriber("lab/#", "192.168.1.20") as subscriber:
            for message in subscriber:
                print(message.topic, message.text())

    With `on_message` every message goes to that function, in a thread of its own. At most `buffer`
    messages and `buffer_bytes` wait for it or for the iterator. When they do, messages of QoS 1 and
    2 are taken more slowly, and the broker keeps the others; if none is fetched for a second, or
    with QoS 0, the oldest goes and `dropped` counts it. Subscriptions are made again with each
    connection.
    """

    def __init__(self, topics: Topics = (), host: str | None = None, port: int | None = None, *,
                 on_message: Callable[[Message], object] | None = None, qos: int = 1,
                 buffer: int = 10_000, buffer_bytes: int = 64 * 1024 * 1024,
                 **connection: Unpack[Connection]) -> None:
        if buffer < 1:
            raise ValueError("buffer holds one message at least")
        self._topics = dict.fromkeys([topics] if isinstance(topics, str) else topics, qos)
        for topic in self._topics:
            _check(topic, qos)
        self._callback = on_message
        self._buffer, self._buffer_bytes = buffer, buffer_bytes
        self._queue: collections.deque[Message] = collections.deque()
        self._bytes = 0
        self._dropped = 0
        # Subscriptions that the broker has not answered: packet id -> filters.
        self._asked: dict[int, list[str]] = {}
        self._answered: dict[int, list[int]] = {}
        self._ended: set[int] = set()
        self._granted: set[str] = set()
        self._denied: dict[str, SubscribeError] = {}
        super().__init__(host, port, **connection)

    @property
    def dropped(self) -> int:
        """Messages that were lost because they were not fetched in time."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Messages that are here and not fetched."""
        return len(self._queue)

    def subscribe(self, topic: str, qos: int = 1, timeout: float = 10.0) -> None:
        """Subscribes to one more topic or filter; raises SubscribeError if the broker says no.

        Without a connection it is asked for with the next one.
        """
        _check(topic, qos)
        with self._cond:
            self._topics[topic] = qos
            if not self._up:
                return
        self._ask({topic: qos})
        if threading.get_ident() == self._network:
            return
        with self._cond:
            patiently(self._cond, lambda: topic in self._granted or topic in self._denied
                      or self._closing, timeout)
            if topic in self._denied:
                self._topics.pop(topic, None)
                raise self._denied[topic]

    def unsubscribe(self, topic: str, timeout: float = 10.0) -> None:
        """Ends a subscription, and waits until the broker has ended it."""
        with self._cond:
            self._topics.pop(topic, None)
            self._granted.discard(topic)
            self._denied.pop(topic, None)
            if not self._up:
                return  # The next connection does not ask for it; a kept session has it still.
        _, mid = self.client.unsubscribe(topic)
        if threading.get_ident() == self._network:
            return
        with self._cond:
            patiently(self._cond, lambda: mid in self._ended or not self._up, timeout)
            self._ended.discard(mid)

    def get(self, timeout: float | None = None) -> Message | None:
        """The next message; None if there is none in time, or when the subscriber is closed."""
        with self._cond:
            patiently(self._cond, lambda: self._queue or self._closing, timeout)
            if not self._queue:
                return None
            if self._full(0):
                self._cond.notify_all()
            message = self._queue.popleft()
            self._bytes -= len(message.payload)
            return message

    def __iter__(self) -> Iterator[Message]:
        """Every message, until the subscriber is closed."""
        if self._callback is not None:
            raise TypeError("messages go to on_message: iterate over a subscriber without one")
        while True:
            message = self.get()
            if message is None:
                return
            yield message

    # The connection.

    def _ready(self) -> bool:
        return self._up and all(topic in self._granted for topic in self._topics)

    def _paho(self, protocol: str) -> Any:
        client = super()._paho(protocol)
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        return client

    def _begin(self) -> None:
        if self._callback is not None:
            threading.Thread(target=self._run, name=f"ternmq {self.client_id}", daemon=True).start()

    def _on_up(self, properties: Any) -> None:
        self._asked.clear()
        self._answered.clear()
        self._ended.clear()

    def _once_up(self) -> None:
        # Anew each time: after a restart nobody else need know what was subscribed.
        self._ask(dict(self._topics))

    def _on_down(self) -> None:
        self._granted.clear()

    def _ask(self, topics: dict[str, int]) -> None:
        if not topics:
            return
        if self._five:
            # Retained messages come once, not with every connection.
            wanted: list[Any] = [(topic, SubscribeOptions(
                qos=qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB))
                for topic, qos in topics.items()]
        else:
            wanted = list(topics.items())
        _, mid = self.client.subscribe(wanted)
        if mid is not None:
            with self._cond:
                self._asked[mid] = list(topics)
                self._settle(mid)

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, codes: Any, *rest: Any) -> None:
        with self._cond:
            self._answered[mid] = [int(getattr(code, "value", code)) for code in codes]
            self._settle(mid)

    def _on_unsubscribe(self, client: Any, userdata: Any, mid: int, *rest: Any) -> None:
        with self._cond:
            self._ended.add(mid)
            self._cond.notify_all()

    def _settle(self, mid: int) -> None:
        """With the lock, when a question or its answer is known: the answer can be first."""
        if mid not in self._asked or mid not in self._answered:
            return
        for topic, code in zip(self._asked.pop(mid), self._answered.pop(mid)):
            if code < 128:
                self._granted.add(topic)
                self._denied.pop(topic, None)
            else:
                self._error = self._denied[topic] = not_granted(self.place, topic, code)
                log.warning("%s", self._error)
        self._cond.notify_all()

    def _on_message(self, client: Any, userdata: Any, raw: Any) -> None:
        message = Message(raw.topic, bytes(raw.payload), raw.qos, bool(raw.retain), time.time(),
                          raw)
        with self._cond:
            if raw.qos > 0 and self._full(len(message.payload)):
                # The broker keeps what is not acknowledged. Not for long: pings go out between.
                self._cond.wait_for(
                    lambda: self._closing or not self._full(len(message.payload)), FULL_SECS)
            if self._dropped == 0 and self._full(len(message.payload)):
                log.warning(say("{n} messages wait to be fetched: the oldest are dropped",
                                "有 {n} 条消息尚未取走，最旧的消息将丢失", n=len(self._queue)))
            while self._queue and self._full(len(message.payload)):
                self._bytes -= len(self._queue.popleft().payload)
                self._dropped += 1
            self._bytes += len(message.payload)
            self._queue.append(message)
            self._cond.notify_all()

    def _full(self, size: int) -> bool:
        return len(self._queue) >= self._buffer or self._bytes + size > self._buffer_bytes

    def _run(self) -> None:
        assert self._callback is not None
        while True:
            message = self.get()
            if message is None:
                return
            try:
                self._callback(message)
            except Exception:
                log.exception(say("the function for messages failed on {topic!r}",
                                  "处理 {topic!r} 的消息时出错", topic=message.topic))


def _check(topic: str, qos: int) -> None:
    if not isinstance(topic, str):
        raise TypeError(f"a topic filter is a text, not {type(topic).__name__}")
    levels = topic.split("/")
    if not topic or "\0" in topic or len(topic.encode()) > 65535:
        raise ValueError(f"no valid topic filter: {topic[:50]!r}")
    if any(("+" in one or "#" in one) and len(one) > 1 for one in levels) or "#" in levels[:-1]:
        raise ValueError(f"{topic!r}: '+' stands for one whole level, '#' for the rest and comes "
                         "last")
    if qos not in (0, 1, 2):
        raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")
