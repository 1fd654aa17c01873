"""A broker of a test's own, what it answers over HTTP, and MQTT clients behind its lists.

Requests are written as given: no library touches a path, so that `..` and `%252F` arrive as such.
"""

import collections
import http.client
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BASE = "/api/v5"
START_SECS = 20
PATIENCE = 10
ADMIN, FIRST_PASSWORD, PASSWORD = "admin", "public", "correct-horse-7"

Answer = collections.namedtuple("Answer", "status headers body")


class Broker:
    """Our broker on ports and a data folder of its own; killed and wiped at the end."""

    def __init__(self, binary, *settings):
        self.folder = tempfile.TemporaryDirectory(prefix="ternmq-api-")
        self.command = [binary, "start", "--data-dir", os.path.join(self.folder.name, "data")]
        for setting in ("listeners.tcp.default.bind=127.0.0.1:0",
                        "listeners.ssl.default.bind=127.0.0.1:0",
                        "listeners.ws.default.bind=127.0.0.1:0",
                        "listeners.wss.default.bind=127.0.0.1:0",
                        "dashboard.bind=127.0.0.1:0", *settings):
            self.command += ["--set", setting]
        self.start({})

    def start(self, env):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True, errors="replace",
                                        stderr=subprocess.STDOUT, env={**os.environ, **env})
        self.ports, self.said, ready = {}, collections.deque(maxlen=2000), threading.Event()
        threading.Thread(target=self.read, args=(ready,), daemon=True).start()
        if not ready.wait(START_SECS) or len(self.ports) < 3:
            self.stop()
            raise RuntimeError("the broker did not start:\n" + "".join(self.said))
        self.tcp, self.http = self.ports["tcp:default"], self.ports["http:dashboard"]

    def restart(self, **env):
        """On the same data; the ports change."""
        self.end()
        self.start(env)

    def read(self, ready):
        for line in self.process.stdout:
            self.said.append(line)
            words = line.split()
            if len(words) == 3 and words[0] == "listening":
                self.ports[words[1]] = int(words[2].rsplit(":", 1)[1])
                if {"tcp:default", "ws:default", "http:dashboard"} <= self.ports.keys():
                    ready.set()
        ready.set()

    def calm(self):
        """Why it is not: it ended, or it panicked."""
        if self.process.poll() is not None:
            return "the broker ended: " + "".join(list(self.said)[-20:])
        panics = [line for line in self.said if "panicked at" in line]
        return f"the broker panicked: {panics[0]}" if panics else None

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.end()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def signed_in(self):
        """As the administrator, who has set a password."""
        api = Api(self.http)
        api.sign_in(ADMIN, FIRST_PASSWORD)
        answer = api.call("POST", f"/users/{ADMIN}/change_pwd",
                          {"old_pwd": FIRST_PASSWORD, "new_pwd": PASSWORD})
        if answer.status != 204:
            raise RuntimeError(f"no password could be set: {answer.status} {answer.body}")
        api.sign_in(ADMIN, PASSWORD)
        return api


class Api:
    """Calls of one caller."""

    def __init__(self, port, authorization=None):
        self.port, self.authorization, self.connection = port, authorization, None

    def sign_in(self, username, password):
        self.authorization = None
        answer = self.call("POST", "/login", {"username": username, "password": password})
        if answer.status != 200:
            raise RuntimeError(f"{username} cannot sign in: {answer.status} {answer.body}")
        self.authorization = f"Bearer {answer.body['token']}"
        return answer

    def call(self, method, path, body=None, headers=None, raw=None):
        """`path` is under BASE, or anywhere if it begins with two slashes. `raw` is a body as it is."""
        path = path[1:] if path.startswith("//") else BASE + path
        sent = {"Accept": "application/json"}
        if self.authorization:
            sent["Authorization"] = self.authorization
        if body is not None:
            raw = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        for fresh in (False, True):
            if self.connection is None or fresh:
                self.close()
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request(method, path, raw, sent)
                response = self.connection.getresponse()
                return answer(response, response.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                # One that was idle may have been closed; a new one is told the truth.
                if fresh:
                    raise
            except (OSError, http.client.HTTPException):
                self.close()
                raise
        raise AssertionError("unreachable")

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def answer(response, content):
    """The body as JSON where it says so, as text where it is one, else as bytes."""
    kind = response.headers.get_content_type()
    if kind == "application/json":
        body = json.loads(content)
    elif kind.startswith("text/"):
        body = content.decode()
    else:
        body = content
    return Answer(response.status, response.headers, body)


def quote(text):
    """One segment of a path, or a value of a query."""
    return urllib.parse.quote(text, safe="")


class Refused(Exception):
    """CONNECT was answered with another code than 0."""


class Peer:
    """An MQTT client. It stays away once it was disconnected."""

    def __init__(self, broker, name, username=None, version=5, expiry=0, receive_max=None,
                 acknowledges=True):
        self.name, self.events = name, queue.Queue()
        self.messages, self.gone = queue.Queue(), threading.Event()
        options = {"client_id": name, "protocol": mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311,
                   "manual_ack": not acknowledges, "reconnect_on_failure": False}
        if version != 5:
            options["clean_session"] = expiry == 0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, **options)
        if username is not None:
            self.client.username_pw_set(username)
        self.client.on_connect = lambda c, u, flags, rc, p: self.events.put(("connected", rc))
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.events.put(("subscribed", codes))
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_disconnect = lambda c, u, flags, rc, p: self.left(rc)
        extra = {}
        if version == 5:
            extra = {"clean_start": expiry == 0, "properties": Properties(PacketTypes.CONNECT)}
            if expiry:
                extra["properties"].SessionExpiryInterval = expiry
            if receive_max:
                extra["properties"].ReceiveMaximum = receive_max
        self.client.connect("127.0.0.1", broker.tcp, 60, **extra)
        self.client.loop_start()
        code = self.event("connected")
        if code.is_failure:
            self.close()
            raise Refused(f"{name!r}: {code}")

    def left(self, code):
        self.reason = code
        self.events.put(("disconnected", code))
        self.gone.set()

    def event(self, kind):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                event, told = self.events.get(timeout=max(0.001, until - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{self.name!r} was not {kind} in {PATIENCE} s") from None
            if event == kind:
                return told
            if event == "disconnected" and kind != event:
                raise ConnectionError(f"{self.name!r} was disconnected: {told}")

    def subscribe(self, topic, qos=0):
        self.client.subscribe(topic, qos)
        codes = self.event("subscribed")
        if any(code.is_failure for code in codes):
            raise Refused(f"{self.name!r}, {topic!r}: {codes}")
        return self

    def publish(self, topic, payload=b"x", qos=1, retain=False):
        """Over when it is acknowledged."""
        self.client.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE)

    def acknowledge(self, message):
        self.client.ack(message.mid, message.qos)

    def message(self):
        return self.messages.get(timeout=PATIENCE)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
