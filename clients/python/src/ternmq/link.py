"""One connection to a broker, kept up: what a publisher and a subscriber have in common.

All that differs between paho-mqtt 1.6 and 2.x is in this file. Nobody calls paho while holding the
lock: paho calls back while it holds locks of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, NamedTuple, Tuple, TypedDict, TypeVar, Union

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .errors import OLD_CODES, ConnectError, refused, say, silent, unreachable

log = logging.getLogger("ternmq")

DEFAULT_HOST = "127.0.0.1"
# Messages on their way to the broker that it has not acknowledged.
WINDOW = 100
# A peer that is silent for this long is gone, though TCP would try for a quarter of an hour.
DEAD_SECS = 10
# An attempt to connect, and between two of them; longer where the broker said no. A network that
# comes back is not noticed before the next attempt, or the system's next packet of this one.
ATTEMPT_SECS = 3.0
RETRY_SECS = 0.5
REFUSED_SECS_MAX = 30
# A connection that ends earlier than this was no success, and so often in a row is a quarrel: two
# clients with one id, say.
SHORT_SECS = 3
SHORT_MAX = 3
# Between a fault in the network's thread and its next look.
AFTER_FAULT_SECS = 0.1
SLICE_SECS = 0.5
# To end the network's thread, and to send what is left when the program ends.
STOP_SECS = 5
EXIT_SECS = 3

Self = TypeVar("Self", bound="Link")
Tls = Union[bool, str, "os.PathLike[str]", ssl.SSLContext]
Hook = Callable[[Any, Any, Any, int], None]


class Will(NamedTuple):
    """What the broker publishes for a client that goes without a farewell."""

    topic: str
    payload: Union[str, bytes] = b""
    qos: int = 1
    retain: bool = False


class Steadfast(mqtt.Client):  # type: ignore[misc, unused-ignore]
    """paho's client, with two faults mended.

    The thread of 1.6 ends for good where the system says anything but "reset", such as "no route to
    host" when a cable was pulled out for a while. And with MQTT 5 the broker may answer a message
    with no: 1.6 tells nobody, and neither generation looks at the first answer with QoS 2.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if hasattr(type(self), "connect_timeout"):
            self.connect_timeout = ATTEMPT_SECS
        else:
            self._connect_timeout = ATTEMPT_SECS
        # Packet id -> the reason code of a no.
        self.refusals: dict[int, int] = {}

    def _handle_pubackcomp(self, cmd: Any) -> Any:
        # A PUBCOMP that knows no such id answers a PUBREL that was sent again: all is well.
        if cmd == "PUBACK":
            self._note()
        return super()._handle_pubackcomp(cmd)

    def _handle_pubrec(self) -> Any:
        self._note()
        return super()._handle_pubrec()

    def _note(self) -> None:
        packet = self._in_packet["packet"]
        if len(packet) > 2 and packet[2] >= 128:
            self.refusals[packet[0] << 8 | packet[1]] = packet[2]

    def loop_forever(self, *args: Any, **options: Any) -> Any:
        while True:
            try:
                return super().loop_forever(*args, **options)
            except Exception as why:
                if not isinstance(why, OSError):
                    log.exception("the network's thread goes on with a new connection")
                sock = self.socket()
                if sock is not None:
                    hang_up(sock)
                time.sleep(AFTER_FAULT_SECS)


class Connection(TypedDict, total=False):
    """What publishers and subscribers take as keyword arguments."""

    # Two clients with one id push each other off the broker; without one it is random.
    client_id: str | None
    username: str | None
    password: str | None
    # True for TLS with the system's authorities, the path of a CA's file, or an SSLContext, for
    # instance with a client's certificate.
    tls: Tls
    will: Will | Tuple[Any, ...] | None
    # Seconds of silence after which a ping goes out.
    keepalive: int
    # Seconds to wait for the first connection; None to go on at once and connect behind the scenes.
    wait: float | None
    # Seconds that the broker keeps the session of a client whose connection was lost.
    session_expiry: int
    # Whether the session of an earlier run goes on, and is kept when this one closes.
    resume: bool
    # "5", "3.1.1" or "3.1". Without 5 a subscriber loses what is published while it is away.
    protocol: str
    _hook: Hook | None


class Link:
    """Connects, stays connected, and says why if it cannot. Not to be made by itself.

    `host` and `port` default to the environment's TERNMQ_HOST and TERNMQ_PORT, then to 127.0.0.1
    and 1883, or 8883 with TLS. Connection has the other arguments.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        client_id: str | None = None,
        username: str | None = None,
        password: str | None = None,
        tls: Tls = False,
        will: Will | Tuple[Any, ...] | None = None,
        keepalive: int = 10,
        wait: float | None = 10.0,
        session_expiry: int = 300,
        resume: bool = False,
        protocol: str = "5",
        _hook: Hook | None = None,
    ) -> None:
        if resume and not client_id:
            raise ValueError("resume=True goes on with the session of a client_id: pass one")
        self.host = host or os.environ.get("TERNMQ_HOST") or DEFAULT_HOST
        self.port = int(port or os.environ.get("TERNMQ_PORT") or (8883 if tls else 1883))
        self.client_id = client_id or f"python-{secrets.token_hex(6)}"
        self.place = f"{self.host}:{self.port}"
        self._keepalive = keepalive
        self._five = _version(protocol) == mqtt.MQTTv5
        self._resume = resume
        self._hook = _hook
        self._cond = threading.Condition()
        self._up = False
        self._closing = False
        # Whether somebody waits for the first connection, and wants to hear of a failure at once.
        self._first = False
        self._error: ConnectError | None = None
        self._network: int | None = None
        self._since = 0.0
        self._short = 0
        self._refused = 0
        self.client = self._paho(protocol)
        if username is not None:
            self.client.username_pw_set(username, password)
        if tls:
            self.client.tls_set_context(_context(tls))
        if will:
            self.client.will_set(*Will(*will))
        self._open(wait, session_expiry)

    # What everybody may ask.

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._up

    @property
    def error(self) -> ConnectError | None:
        """Why the last attempt to connect failed; None once one succeeded."""
        return self._error

    def wait_connected(self, timeout: float = 10.0) -> None:
        """Waits until everything is ready; raises ConnectError if that fails or takes too long."""
        with self._cond:
            patiently(self._cond, lambda: self._ready() or self._final(), timeout)
            if not self._ready():
                raise self._error or silent(self.place, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Says goodbye to the broker; the broker publishes no will."""
        with self._cond:
            if self._closing:
                return
            self._closing = True
            self._cond.notify_all()
        atexit.unregister(self.close)
        self._goodbye()
        self._stop()
        self._down()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What subclasses add.

    def _ready(self) -> bool:
        """With the lock: whether waiting is over."""
        return self._up

    def _on_up(self, properties: Any) -> None:
        """With the lock, in the network's thread, at each CONNACK that says yes."""

    def _once_up(self) -> None:
        """After it, without the lock."""

    def _on_down(self) -> None:
        """With the lock, when a connection ended."""

    # How it connects.

    def _paho(self, protocol: str) -> Any:
        options: dict[str, Any] = {"client_id": self.client_id, "protocol": _version(protocol)}
        if not self._five:
            options["clean_session"] = not self._resume
        versions = getattr(mqtt, "CallbackAPIVersion", None)
        client = Steadfast(versions.VERSION2, **options) if versions else Steadfast(**options)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_socket_open = lambda client, userdata, sock: _notice_death(sock)
        client.max_inflight_messages_set(WINDOW)
        _pause(client, RETRY_SECS)
        return client

    def _open(self, wait: float | None, session_expiry: int) -> None:
        options: dict[str, Any] = {}
        if self._five:
            options["properties"] = _expiry(PacketTypes.CONNECT, session_expiry)
            options["clean_start"] = False if self._resume else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        if wait is None:
            self.client.connect_async(self.host, self.port, self._keepalive, **options)
        else:
            try:
                self.client.connect(self.host, self.port, self._keepalive, **options)
            except OSError as why:
                raise unreachable(self.place, why) from why
        # A program that just ends says goodbye, too.
        atexit.register(self.close, EXIT_SECS)
        self.client.loop_start()
        self._begin()
        if wait is not None:
            self._first = True
            try:
                self.wait_connected(wait)
            except ConnectError:
                self.close(0)
                raise
            finally:
                self._first = False

    def _stop(self) -> None:
        # paho's thread may be in the middle of an attempt to connect, or wait for what never comes.
        stopper = threading.Thread(target=self.client.loop_stop, daemon=True)
        try:
            stopper.start()
        except RuntimeError:  # The interpreter ends, and its threads with it.
            return
        if threading.get_ident() != self._network:
            stopper.join(STOP_SECS)

    def _begin(self) -> None:
        """What a subclass starts before anybody waits for the connection."""

    def _final(self) -> bool:
        """With the lock: waiting longer is of no use."""
        return self._closing or (self._first and self._error is not None)

    def _goodbye(self) -> None:
        if not self._five or self._resume:
            self.client.disconnect()
            return
        # Nobody comes back for the session: the broker need not keep it.
        self.client.disconnect(properties=_expiry(PacketTypes.DISCONNECT, 0))

    # What paho tells, in the network's thread. Its two generations agree in the first arguments.

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any,
                    properties: Any = None) -> None:
        self._network = threading.get_ident()
        code = int(getattr(reason, "value", reason))
        if self._hook:
            try:
                self._hook(client, userdata, flags, code)
            except Exception:
                log.exception("on_connect failed")
        if code != 0:
            code = OLD_CODES.get(code, code)
            self._refused += 1
            pause = min(2 ** self._refused, REFUSED_SECS_MAX)
            _pause(client, pause)
            self._fail(refused(self.place, code, str(reason), self.client_id))
            return
        if self._closing:
            self._goodbye()
            return
        self._refused = 0
        with self._cond:
            self._on_up(properties)
            if self._error is not None and self._since:
                log.warning(say("connected to {place} again", "已重新连接到 {place}",
                                place=self.place))
            self._up, self._error, self._since = True, None, time.monotonic()
            self._cond.notify_all()
        self._once_up()

    def _on_disconnect(self, client: Any, userdata: Any, *rest: Any) -> None:
        # paho 1.6 says (code) or (code, properties), paho 2 says (flags, reason, properties).
        reason = rest[1] if len(rest) == 3 else rest[0]
        told = rest[0].is_disconnect_packet_from_server if len(rest) == 3 else \
            not isinstance(reason, int)
        if not told:
            reason = say("without a word", "对方未说明原因")
        with self._cond:
            if not self._up:
                return
            self._down()
            if self._closing:
                return
            why = say("the connection to {place} ended ({why}): trying again",
                      "与 {place} 的连接已断开（{why}），正在重连", place=self.place, why=reason)
            log.warning(why)
            self._error = ConnectError(why, "")
            lasted = time.monotonic() - self._since >= SHORT_SECS
            self._short = 0 if lasted else self._short + 1
            over = self._short - SHORT_MAX
        if over < 0:
            _pause(client, RETRY_SECS)
            return
        pause = min(2 ** (over + 1), REFUSED_SECS_MAX)
        _pause(client, pause)
        log.warning(say("connections as {id!r} do not last: has another client the same id?",
                        "客户端 ID {id!r} 的连接反复断开：是否有另一个客户端使用同一 ID？",
                        id=self.client_id))

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:
        why = sys.exc_info()[1]
        if why is not None and self._error is None:
            self._fail(unreachable(self.place, why))

    def _fail(self, error: ConnectError) -> None:
        with self._cond:
            if str(error) != str(self._error):
                log.warning("%s", error)
            self._error = error
            self._cond.notify_all()

    def _down(self) -> None:
        with self._cond:
            self._up = False
            self._on_down()
            self._cond.notify_all()


def _pause(client: Any, secs: float) -> None:
    """Between two attempts to connect."""
    client.reconnect_delay_set(secs, secs)


def _expiry(packet: int, secs: int) -> Any:
    make: Any = Properties  # It has no types.
    properties = make(packet)
    properties.SessionExpiryInterval = secs
    return properties


def _version(protocol: str) -> int:
    versions = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311, "3.1": mqtt.MQTTv31}
    if protocol not in versions:
        raise ValueError(f"protocol is one of {', '.join(versions)}, not {protocol!r}")
    return int(versions[protocol])


def _context(tls: Tls) -> ssl.SSLContext:
    if isinstance(tls, ssl.SSLContext):
        return tls
    return ssl.create_default_context(cafile=None if tls is True else os.fspath(str(tls)))


def patiently(cond: threading.Condition, ready: Callable[[], object],
              timeout: float | None = None) -> bool:
    """With the lock: waits as `wait_for` does, but in slices: on Windows Ctrl-C comes between."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while not ready():
        left = SLICE_SECS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return bool(ready())
        cond.wait(min(left, SLICE_SECS))
    return True


def hang_up(sock: Any) -> None:
    """Ends a connection so that paho notices, and makes a new one."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _notice_death(sock: Any) -> None:
    """Asks the system to notice a peer that vanished: a cut cable sends no farewell."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", DEAD_SECS // 2),  # Linux, Windows
        ("TCP_KEEPALIVE", DEAD_SECS // 2),  # macOS's name of it
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", DEAD_SECS * 1000),  # Linux
    ):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    if sys.platform == "win32":
        options.append((socket.IPPROTO_TCP, 5, DEAD_SECS))  # TCP_MAXRT
    for level, option, value in options:
        try:
            sock.setsockopt(level, option, value)
        except (OSError, AttributeError):
            pass  # An older system without it notices by MQTT's keep-alive.
