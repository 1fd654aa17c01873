"""Publishing: a bounded buffer in front of one connection, and a thread that empties it.

A message stays in the buffer until the broker has acknowledged it (QoS 1 and 2) or the system has
taken it (QoS 0). One thread gives messages to paho, in order; what was under way when a connection
ended goes first when the next one stands.
"""

from __future__ import annotations

import collections
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Iterable, Sequence

import paho.mqtt.client as mqtt

from . import samples
from .errors import say
from .link import WINDOW, Connection, Link, hang_up, log, patiently

if TYPE_CHECKING:
    from typing_extensions import Unpack

# The broker's answer to a message should not take longer; then the connection is made anew.
STALL_SECS = 15
LOOK_SECS = 1
# Of a PUBLISH, besides topic and payload: fixed header, lengths, packet id, no properties.
OVERHEAD_BYTES = 10

WAITING, DONE, DROPPED, REFUSED = "waiting", "done", "dropped", "refused"


class Delivery:
    """What becomes of one message."""

    __slots__ = ("_cond", "message", "mid", "reason", "since", "state")

    def __init__(self, cond: threading.Condition, message: tuple[str, bytes, int, bool]) -> None:
        self._cond = cond
        self.message = message
        # waiting; done; dropped, because the buffer was full or the publisher was closed; refused
        # by the broker, with MQTT 5, and why as a reason code.
        self.state = WAITING
        self.reason = 0
        self.mid = 0
        self.since = 0.0

    @property
    def done(self) -> bool:
        """The broker has it (QoS 1 and 2), or the system took it (QoS 0)."""
        return self.state == DONE

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is done, dropped or refused; whether it is done."""
        with self._cond:
            patiently(self._cond, lambda: self.state != WAITING, timeout)
        return self.state == DONE

    def _bytes(self) -> int:
        return len(self.message[0]) + len(self.message[1])


class Publisher(Link):
    """Publishes messages; Connection has the other arguments.

        with Publisher("192.168.1.20") as publisher:
            publisher.publish("lab/temperature", "21.5")

    `buffer` and `buffer_bytes` bound the messages that wait: for the broker's acknowledgement, or
    for a connection. When they are reached, `publish` waits while there is a connection; while
    there is none, the oldest message goes and `dropped` counts it.
    """

    def __init__(self, host: str | None = None, port: int | None = None, *, buffer: int = 10_000,
                 buffer_bytes: int = 64 * 1024 * 1024, **connection: Unpack[Connection]) -> None:
        if buffer < 1:
            raise ValueError("buffer holds one message at least")
        self._buffer, self._buffer_bytes = buffer, buffer_bytes
        self._queue: collections.deque[Delivery] = collections.deque()
        self._sent: dict[int, Delivery] = {}  # in order
        self._bytes = 0
        # Sent over an earlier connection: paho repeats them, and nothing may overtake them.
        self._again: set[int] = set()
        self._giving = False
        self._early: set[int] = set()
        self._window = WINDOW
        self._packet_max: int | None = None
        self._qos_max = 2
        self._looked = 0.0
        self._ended = False
        self._dropped = 0
        self._told = 0
        self._acknowledged = 0
        self._refused_messages = 0
        self._pump: threading.Thread | None = None
        super().__init__(host, port, **connection)

    @property
    def waiting(self) -> int:
        """Messages that are not done."""
        with self._cond:
            return self._held()

    @property
    def dropped(self) -> int:
        """Messages that were lost because the buffer was full, or when it was closed."""
        return self._dropped

    @property
    def refused(self) -> int:
        """Messages that the broker did not take: not allowed, say, or no room."""
        return self._refused_messages

    @property
    def acknowledged(self) -> int:
        """Messages that are done."""
        return self._acknowledged

    def publish(self, topic: str, payload: str | bytes | bytearray | float | None = None,
                qos: int = 1, retain: bool = False) -> Delivery:
        """Sends a message, or keeps it until there is a connection.

        Does not wait for the broker; the Delivery it returns can.
        """
        _check(topic, qos)
        return self._put(Delivery(self._cond, (topic, _bytes(payload), qos, retain)))

    def publish_json(self, topic: str, value: Any, qos: int = 1, retain: bool = False) -> Delivery:
        """Sends a value as JSON in UTF-8; arrays of numpy become lists."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False,
                          default=_plain)
        return self.publish(topic, text, qos, retain)

    def publish_samples(self, topic: str, rows: Iterable[Sequence[float]], kind: str = "float32", *,
                        start: float | None = None, rate: float | None = None, first: int = 0,
                        qos: int = 1, retain: bool = False) -> Delivery:
        """Sends a batch of samples: a row for each moment, a number for each channel."""
        payload = samples.pack_samples(rows, kind, start=start, rate=rate, first=first)
        return self.publish(topic, payload, qos, retain)

    def stream(self, topic: str, channels: int, kind: str = "float32", *,
               rate: float | None = None, batch: int = 50, qos: int = 1) -> SampleStream:
        """A stream of samples that sends a message for every `batch` rows."""
        return SampleStream(self, topic, channels, kind, rate, batch, qos)

    def flush(self, timeout: float | None = 10.0) -> bool:
        """Waits until every message is done; whether that is so."""
        with self._cond:
            patiently(self._cond, lambda: self._held() == 0 or self._ended, timeout)
            return self._held() == 0

    def close(self, timeout: float = 10.0) -> None:
        """Sends what waits if there is a connection, says goodbye, and drops what is left."""
        if not self._closing and threading.get_ident() != self._network:
            with self._cond:
                patiently(self._cond, lambda: self._held() == 0 or not self._up, timeout)
        super().close(timeout)
        with self._cond:
            self._ended = True
            left = [*self._sent.values(), *self._queue]
            self._sent.clear()
            self._queue.clear()
            for delivery in left:
                self._drop(delivery)
            self._cond.notify_all()
        if left:
            log.warning(say("{n} messages were not sent", "{n} 条消息未能发送", n=len(left)))

    # The buffer.

    def _held(self) -> int:
        return len(self._queue) + len(self._sent) + self._giving

    def _full(self, size: int) -> bool:
        held = self._held()
        return held >= self._buffer or (held > 0 and self._bytes + size > self._buffer_bytes)

    def _put(self, delivery: Delivery) -> Delivery:
        size = delivery._bytes()
        with self._cond:
            self._measure(delivery)
            # Waiting in the network's thread would be waiting for oneself.
            if threading.get_ident() != self._network:
                patiently(self._cond, lambda: not self._full(size) or not self._up or self._closing)
            if self._closing:
                raise RuntimeError(say("the publisher is closed", "发布者已关闭"))
            while self._full(size) and self._queue:
                self._drop(self._queue.popleft())
            self._bytes += size
            if self._full(0) and self._held() >= self._buffer:
                self._drop(delivery)  # All that is held is under way.
            else:
                self._queue.append(delivery)
            self._cond.notify_all()
        return delivery

    def _measure(self, delivery: Delivery) -> None:
        size = len(delivery.message[0].encode()) + len(delivery.message[1]) + OVERHEAD_BYTES
        if self._packet_max is not None and size > self._packet_max:
            raise ValueError(say(
                "a message of {size} bytes: the broker takes {most} at most; send it in parts or "
                "raise mqtt.max_packet_size there",
                "消息长 {size} 字节，服务器最多接收 {most} 字节：请拆分，或在服务器调大 "
                "mqtt.max_packet_size", size=size, most=self._packet_max))

    def _drop(self, delivery: Delivery) -> None:
        self._bytes -= delivery._bytes()
        delivery.state = DROPPED
        self._dropped += 1
        if self._dropped - self._told == 1:
            log.warning(say("the buffer of {n} messages is full: the oldest go",
                            "缓冲区已满（{n} 条），最旧的消息将丢失", n=self._buffer)
                        if not self._ended else
                        say("closed with messages that were not sent", "关闭时仍有未发送的消息"))

    def _finish(self, delivery: Delivery, mid: int) -> None:
        self._bytes -= delivery._bytes()
        delivery.reason = self.client.refusals.pop(mid, 0)
        if delivery.reason == 0:
            delivery.state = DONE
            self._acknowledged += 1
            return
        delivery.state = REFUSED
        self._refused_messages += 1
        # The first, and then ever fewer of them.
        if self._refused_messages & (self._refused_messages - 1) == 0:
            log.warning(say("the broker refused a message to {topic!r} (reason code {code}); "
                            "{n} so far", "服务器拒绝了发往 {topic!r} 的消息（原因码 {code}），"
                            "至今共 {n} 条", topic=delivery.message[0], code=delivery.reason,
                            n=self._refused_messages))

    # The thread that empties it.

    def _begin(self) -> None:
        self._pump = threading.Thread(target=self._run, name=f"ternmq {self.client_id}",
                                      daemon=True)
        self._pump.start()

    def _next(self) -> Delivery | None:
        """Waits for a message that may be sent; None at the end."""
        with self._cond:
            while not self._ended:
                if time.monotonic() - self._looked >= LOOK_SECS:
                    self._looked = time.monotonic()
                    self._shake()
                if self._up and self._queue and not self._again and len(self._sent) < self._window:
                    self._giving = True
                    return self._queue.popleft()
                self._cond.wait(LOOK_SECS)
            return None

    def _run(self) -> None:
        while True:
            delivery = self._next()
            if delivery is None:
                return
            topic, payload, qos, retain = delivery.message
            info = self.client.publish(topic, payload, min(qos, self._qos_max), retain)
            with self._cond:
                self._giving = False
                if info.rc != mqtt.MQTT_ERR_SUCCESS and (
                        qos == 0 or info.rc != mqtt.MQTT_ERR_NO_CONN) and not self._ended:
                    self._queue.appendleft(delivery)  # paho did not take it.
                elif info.mid in self._early:
                    self._finish(delivery, info.mid)
                elif self._ended:
                    self._drop(delivery)
                else:
                    delivery.mid, delivery.since = info.mid, time.monotonic()
                    self._sent[info.mid] = delivery
                    if not self._up:
                        self._on_down()
                self._early.clear()
                self._cond.notify_all()

    def _shake(self) -> None:
        """With the lock: ends a connection over which nothing is acknowledged any more."""
        oldest = next(iter(self._sent.values()), None)
        if not self._up or oldest is None or time.monotonic() - oldest.since < STALL_SECS:
            return
        oldest.since = time.monotonic()
        sock = self.client.socket()
        if sock is not None:
            hang_up(sock)

    # What the connection tells.

    def _paho(self, protocol: str) -> Any:
        client = super()._paho(protocol)
        client.on_publish = self._on_publish
        return client

    def _on_up(self, properties: Any) -> None:
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._packet_max = getattr(properties, "MaximumPacketSize", None)
        self._qos_max = getattr(properties, "MaximumQoS", 2)
        if self._dropped > self._told:
            log.warning(say("{n} messages were dropped", "已丢失 {n} 条消息",
                            n=self._dropped - self._told))
            self._told = self._dropped
        now = time.monotonic()
        for delivery in self._sent.values():
            delivery.since = now

    def _on_down(self) -> None:
        # paho forgets QoS 0 and repeats the others.
        forgotten = [d for d in self._sent.values() if d.message[2] == 0]
        for delivery in reversed(forgotten):
            del self._sent[delivery.mid]
            self._queue.appendleft(delivery)
        self._again = set(self._sent)

    def _on_publish(self, client: Any, userdata: Any, mid: int, *rest: Any) -> None:
        with self._cond:
            delivery = self._sent.pop(mid, None)
            if delivery is None:
                if self._giving:
                    self._early.add(mid)
                return
            self._finish(delivery, mid)
            self._again.discard(mid)
            self._cond.notify_all()


class SampleStream:
    """Rows of samples, sent in batches; each batch says when it began and how many went before."""

    def __init__(self, publisher: Publisher, topic: str, channels: int, kind: str,
                 rate: float | None, batch: int, qos: int) -> None:
        if batch < 1:
            raise ValueError("a batch has one row at least")
        samples.check(kind, channels)
        _check(topic, qos)
        self._publisher, self._topic, self._qos = publisher, topic, qos
        self._channels, self._kind, self._rate, self._batch = channels, kind, rate, batch
        self._rows: list[tuple[float, ...]] = []
        self._start = 0.0
        self._first = 0

    def add(self, row: Sequence[float]) -> None:
        """Adds one moment: a number for each channel."""
        if len(row) != self._channels:
            raise ValueError(f"a row of {len(row)} numbers for {self._channels} channels")
        if not self._rows:
            self._start = time.time()
        self._rows.append(tuple(row))
        if len(self._rows) >= self._batch:
            self.send()

    def extend(self, rows: Iterable[Sequence[float]]) -> None:
        """Adds several moments."""
        for row in rows:
            self.add(row)

    def send(self) -> Delivery | None:
        """Sends what there is, though the batch is not full."""
        if not self._rows:
            return None
        rows, self._rows = self._rows, []
        first, self._first = self._first, self._first + len(rows)
        return self._publisher.publish_samples(self._topic, rows, self._kind, start=self._start,
                                               rate=self._rate, first=first, qos=self._qos)

    def __enter__(self) -> SampleStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.send()


def _check(topic: str, qos: int) -> None:
    if not isinstance(topic, str):
        raise TypeError(f"a topic is a text, not {type(topic).__name__}")
    if not topic or "\0" in topic or len(topic.encode()) > 65535:
        raise ValueError(f"no valid topic: {topic[:50]!r}")
    if "+" in topic or "#" in topic:
        raise ValueError(f"{topic!r}: '+' and '#' are for subscribing; a message has one topic")
    if qos not in (0, 1, 2):
        raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")


def _bytes(payload: Any) -> bytes:
    if payload is None:
        return b""
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)  # A copy: the caller may go on with its own.
    if isinstance(payload, (int, float)):
        return str(payload).encode()
    raise TypeError(f"a payload is text, bytes or a number, not {type(payload).__name__}; "
                    "publish_json sends other values, publish_samples rows of numbers")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
