"""`ternmq migrate` on configurations of mosquitto and EMQX: everything that they say has its fate in the
report, the broker takes what was made of them, and admits and refuses whom mosquitto does.

    python3 tests/clients/migrate.py --bin target/debug/ternmq

Needs mosquitto 2.0 and openssl, and a network of its own (root, or `unshare`), because ports are as the
configurations have them. Prints a line for each configuration and `N passed, N failed`.
"""

import argparse
import base64
import getpass
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

from certificates import Certificates

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "migrate"
PATIENCE = 20
SYSTEM = os.environ["PATH"] + ":/usr/sbin"
# Client certificate, user name, password, client id.
EVERYBODY = [(None, None, None, "a"), (None, "anna", "secret", "a"), (None, "anna", "wrong", "a"),
             (None, "bob", "secret", "a"), (None, "anna", None, "a"), (None, "", "", "a"),
             (None, "anna", "secret", "")]
# Where there are users, mosquitto takes an empty name for none, and we for one that nobody has: the report
# says so.
NAMED = [who for who in EVERYBODY if who[1] != ""]
WITH_CERTIFICATES = [("client", None, None, "a"), ("client", "anna", "secret", "a"),
                     ("client", "anna", "wrong", "a"), ("stranger", None, None, "a"), *EVERYBODY]
RULES = """topic read open/#
user anna
topic readwrite lab/#
topic deny lab/secret
pattern write dev/%u/state
user bob
topic write lab/in
"""
TLS = "certfile server.pem\nkeyfile server.key\ncafile ca.pem\n"
# Name, configuration, listeners (port and how) and who tries them, flows (publisher, subscriber, topic).
MOSQUITTO = [
    ("nothing", "", [(1883, "tcp", EVERYBODY)], []),
    ("a listener", "listener 1884\n", [(1884, "tcp", EVERYBODY)], []),
    ("anonymous", "listener 1884\nallow_anonymous true\n", [(1884, "tcp", EVERYBODY)], []),
    ("passwords", "listener 1884\npassword_file passwords\n", [(1884, "tcp", EVERYBODY)], []),
    ("passwords or none", "port 1884\nallow_anonymous true\npassword_file passwords\n",
     [(1884, "tcp", NAMED)], []),
    ("two listeners", "password_file passwords\nlistener 1884\nlistener 1885 127.0.0.1\nmax_connections 10\n",
     [(1884, "tcp", EVERYBODY), (1885, "tcp", EVERYBODY)], []),
    ("each listener", "per_listener_settings true\nlistener 1884\npassword_file passwords\n"
     "listener 1885\npassword_file passwords\n",
     [(1884, "tcp", EVERYBODY), (1885, "tcp", EVERYBODY)], []),
    ("rules", "listener 1884\npassword_file passwords\nacl_file rules\nallow_anonymous true\n",
     [(1884, "tcp", NAMED)],
     [(p, s, t) for p in ("anna", "bob", None) for s in ("anna", None)
      for t in ("lab/in", "lab/secret", "open/x", "dev/anna/state", "other")]),
    ("TLS", f"listener 8885\n{TLS}allow_anonymous true\n", [(8885, "tls", WITH_CERTIFICATES)], []),
    ("certificates", f"listener 8885\n{TLS}require_certificate true\npassword_file passwords\n",
     [(8885, "tls", WITH_CERTIFICATES)], []),
    ("names in certificates", f"listener 8885\n{TLS}require_certificate true\nuse_identity_as_username true\n",
     [(8885, "tls", [who for who in WITH_CERTIFICATES if who[0]])], []),
    ("more files", "listener 1884\ninclude_dir more.d\n", [(1884, "tcp", EVERYBODY)], []),
    # Alone, mosquitto 2.0.11 does not start it.
    ("WebSocket", "listener 1884\nlistener 9001\nprotocol websockets\npassword_file passwords\n",
     [(1884, "tcp", EVERYBODY), (9001, "ws", EVERYBODY)], []),
]
# Name, configuration, settings that come of it, and who gets in at 1883.
EMQX = [
    ("shipped", "@emqx/shipped.conf", {"listeners.tcp.default.max_connections": 1024000,
                                       "log.level": "warn", "mqtt.allow_anonymous": True}, "admitted"),
    ("empty", "", {"mqtt.allow_anonymous": True}, "admitted"),
    ("authentication", "authentication = [{mechanism = password_based, backend = built_in_database}]\n",
     {"mqtt.allow_anonymous": False}, "refused"),
    ("an authenticator that is off", "authentication = [{enable = false, mechanism = jwt}]\n",
     {"mqtt.allow_anonymous": True}, "admitted"),
    ("rules and no match", 'authorization { no_match = deny, sources = [{type = file, path = "etc/acl.conf"}] }',
     {}, "admitted"),
    ("a database of rules", "authorization.sources = [{type = mysql, server = \"x\"}]\n", {}, "admitted"),
    ("MQTT", "mqtt { max_packet_size = 2MB\n max_qos_allowed = 1\n server_keepalive = 60\n"
     " session_expiry_interval = 1d\n max_mqueue_len = infinity\n keepalive_backoff = 1.0 }\n",
     {"mqtt.max_packet_size": "2MB", "mqtt.max_qos_allowed": 1, "mqtt.server_keepalive": 60,
      "mqtt.session_expiry": "1d", "mqtt.max_queue": 10000000, "mqtt.keepalive_multiplier": 2.0}, "admitted"),
    ("another way to write it", "{\"mqtt\": {\"max_inflight\": 5, // five\n \"upgrade_qos\": true},\n"
     "size = 3KB\nretainer { max_payload_size = ${size}, enable: true }}\n",
     {"mqtt.max_inflight": 5, "mqtt.upgrade_qos": True, "mqtt.max_retained_size": "3KB"}, "admitted"),
    ("listeners", "listeners.tcp { default { bind = 1883 }\n inside { bind = \"127.0.0.1:1890\" } }\n"
     "listeners.wss.default.enabled = false\nlisteners.ssl.default.ssl_options.versions = [\"tlsv1.3\"]\n",
     {"listeners.tcp.inside.bind": "127.0.0.1:1890", "listeners.wss.default.enabled": False,
      "listeners.ssl.default.ssl_options.versions": ["tlsv1.3"]}, "admitted"),
    ("an included file", 'include "more.conf"\nmqtt.max_inflight = 9\n',
     {"mqtt.max_inflight": 9, "mqtt.max_topic_alias": 3}, "admitted"),
]


class Failure(Exception):
    """What is not as it should be."""


def packet(kind, *parts):
    body = b"".join(parts)
    length, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 127
        length.append(digit | (128 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body


def text(value):
    value = value.encode()
    return struct.pack(">H", len(value)) + value


class Web:
    """A socket's MQTT within WebSocket frames."""

    def __init__(self, plain):
        self.plain, self.read = plain, b""
        key = base64.b64encode(os.urandom(16)).decode()
        plain.sendall(f"GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                      f"Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            more = plain.recv(1)
            if not more:
                raise OSError("no answer")
            answer += more
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise OSError("no WebSocket")

    def sendall(self, data):
        self.plain.sendall(bytes([0x82, 0x80 | len(data)]) + bytes(4) + data)

    def recv(self, count):
        while not self.read:
            head = self.plain.recv(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return b""
            self.read = self.plain.recv(head[1] & 127)
        data, self.read = self.read[:count], self.read[count:]
        return data

    def close(self):
        self.plain.close()


class Client:
    """A connection, as far as it comes."""

    def __init__(self, folder, port, how, who):
        certificate, user, password, client_id = who
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.code = "refused"
        try:
            if how == "tls":
                context = ssl.create_default_context(cafile=folder / "ca.pem")
                if certificate:
                    context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
                self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            if how == "ws":
                self.socket = Web(self.socket)
            flags = 2 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
            given = [text(value) for value in (user, password) if value is not None]
            self.socket.sendall(packet(0x10, text("MQTT"), bytes([4, flags, 0, 60]), text(client_id), *given))
            answer = self.socket.recv(4)
            if len(answer) == 4 and answer[:2] == b"\x20\x02" and answer[3] == 0:
                self.code = "admitted"
        except OSError:
            pass

    def subscribe(self, topic):
        self.socket.sendall(packet(0x82, b"\0\1", text(topic), b"\0"))
        self.take(0x90)

    def publish(self, topic):
        """At QoS 0, and round the broker once."""
        self.socket.sendall(packet(0x30, text(topic), b"x") + b"\xc0\0")
        self.take(0xD0)

    def gets(self):
        """Whether a message came before the answer to a ping."""
        self.socket.sendall(b"\xc0\0")
        return self.take(0xD0)

    def take(self, wanted):
        got = False
        while True:
            head = self.socket.recv(2)
            if len(head) < 2:
                raise Failure("the broker closed a connection")
            body = b""
            while len(body) < head[1]:
                body += self.socket.recv(head[1] - len(body))
            got |= head[0] & 0xF0 == 0x30
            if head[0] == wanted:
                return got

    def close(self):
        self.socket.close()


class Process:
    """A broker on the ports of its configuration."""

    def __init__(self, command, ports, folder):
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(command, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        self.stop()
                        self.log.seek(0)
                        raise Failure(f"{command[0]} does not start:\n{self.log.read()}") from None
                    time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def tried(folder, listeners, flows):
    """What happens to everybody, and to every message."""
    told = {}
    for port, how, probes in listeners:
        for who in probes:
            client = Client(folder, port, how, who)
            told[(port, *who)] = client.code
            client.close()
    for publisher, subscriber, topic in flows:
        port, how, _ = listeners[0]
        there, here = (Client(folder, port, how, (None, name, "secret" if name else None, f"{name}{at}"))
                       for at, name in enumerate((publisher, subscriber)))
        here.subscribe(topic)
        there.publish(topic)
        told[(publisher, subscriber, topic)] = here.gets()
        there.close()
        here.close()
    return told


class Suite:
    def __init__(self, binary, folder):
        self.binary, self.folder, self.passed, self.failed, self.made = binary, folder, 0, 0, 0
        made = Certificates(str(folder))
        shutil.copy(made["stranger.pem"], folder / "stranger-ca.pem")
        (folder / "more.d").mkdir()
        (folder / "more.d" / "b.conf").write_text("password_file passwords\n")
        (folder / "more.d" / "ignored.txt").write_text("nonsense here\n")
        (folder / "more.conf").write_text("mqtt { max_inflight = 1, max_topic_alias = 3 }\n")
        (folder / "etc").mkdir()
        shutil.copy(DATA / "acl.conf", folder / "etc" / "acl.conf")
        (folder / "rules").write_text(RULES)
        for name in ("anna", "bob"):
            new = [] if (folder / "passwords").exists() else ["-c"]
            subprocess.run(["mosquitto_passwd", "-b", *new, "passwords", name, "secret"], cwd=folder,
                           check=True, env={**os.environ, "PATH": SYSTEM})

    def case(self, name, run, *args):
        try:
            told = run(*args)
            self.passed += 1
            print(f"ok      {name}: {told}", flush=True)
        except (Failure, OSError, subprocess.SubprocessError, AssertionError) as why:
            self.failed += 1
            print(f"FAILED  {name}: {why}", flush=True)

    def migrate(self, name, body):
        """The report, and the folder with what was made."""
        self.made += 1
        file, to = self.folder / name, self.folder / f"made-{self.made}"
        file.write_text(body)
        done = subprocess.run([self.binary, "migrate", str(file), "--to", str(to), "--json"], cwd=self.folder,
                              capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise Failure(done.stderr)
        settings = json.loads(done.stdout)["settings"]
        for language in ("report.md", "report.zh.md"):
            page = (to / language).read_text("utf-8")
            if page.count("\n| ") - page.count("\n| ---") - page.count("\n## ") != len(settings):
                raise Failure(f"{language} has not a row for each setting")
        for row in settings:
            if row["fate"] != "translated" and not (row["en"] and row["zh"]):
                raise Failure(f"{row['name']} is not explained")
        return settings, to

    def ours(self, to, ports):
        data = tempfile.mkdtemp(prefix="data-", dir=self.folder)
        # One shard, so that a message is there before the answer to a PING that came later.
        return Process([self.binary, "start", "--set", "shards=1", "--config", str(to / "ternmq.toml"),
                        "--data-dir", data], ports, self.folder)

    def every_option(self):
        """Each option of the man page is in the file, and has a fate that is known."""
        body = (DATA / "mosquitto.options").read_text()
        lines = [line for line in body.splitlines() if line and not line.startswith("#")]
        here = {line.split()[0] for line in lines}
        page = subprocess.run(["man", "--encoding=utf-8", "mosquitto.conf"], capture_output=True, text=True,
                              env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        named = set(re.findall(r"^       ([a-z][a-z0-9_.]+)[ ,\n]", page.stdout, re.M))
        missing = {name.replace("_*", "_file") for name in named if "_" in name} - here
        if missing:
            raise Failure(f"the man page has more: {', '.join(sorted(missing))}")
        settings, _ = self.migrate("mosquitto.conf", body)
        # Those of included files, besides.
        told = [row for row in settings if row["file"].endswith("mosquitto.conf")]
        return self.whole(told, [line.split()[0] for line in lines], body)

    def every_key(self):
        body = (DATA / "emqx.keys").read_text()
        lines = [line for line in body.splitlines() if line and not line.startswith("#")]
        settings, _ = self.migrate("emqx.conf", body)
        keys = [line.split(" = ")[0] for line in lines]
        told = {row["name"] for row in settings}
        lost = [key for key in keys if key not in told and not any(name.startswith(key + ".") for name in told)]
        if lost:
            raise Failure(f"dropped: {', '.join(lost)}")
        return self.whole(settings, None, body)

    def whole(self, settings, names, body):
        if names is not None and sorted(row["name"] for row in settings) != sorted(names):
            raise Failure("not each once")
        unknown = [row["name"] for row in settings if "is not known: look" in row["en"]]
        if unknown:
            raise Failure(f"unknown: {', '.join(unknown)}")
        secrets = [word for word in re.findall(r"secret-\w+", body) if word in json.dumps(settings)]
        if secrets:
            raise Failure(f"told: {', '.join(secrets)}")
        fates = [row["fate"] for row in settings]
        return ", ".join(f"{fates.count(fate)} {fate}" for fate in ("translated", "not_needed", "no_counterpart"))

    def beside(self, body, listeners, flows):
        ports = [port for port, _, _ in listeners]
        file = self.folder / "mosquitto.conf"
        file.write_text(f"{body}user {getpass.getuser()}\n")
        theirs = Process([shutil.which("mosquitto", path=SYSTEM), "-c", str(file)], ports, self.folder)
        try:
            due = tried(self.folder, listeners, flows)
        finally:
            theirs.stop()
        _, to = self.migrate("mosquitto.conf", body)
        ours = self.ours(to, ports)
        try:
            found = tried(self.folder, listeners, flows)
        finally:
            ours.stop()
        wrong = [f"{who}: there {due[who]}, here {found[who]}" for who in due if due[who] != found[who]]
        if wrong:
            raise Failure("\n        ".join(["", *wrong]))
        admitted = sum(value in ("admitted", True) for value in due.values())
        return f"{len(due)} probes, {admitted} admitted, equal"

    def emqx(self, body, due, anonymous):
        if body.startswith("@"):
            body = (DATA / body[1:]).read_text()
        _, to = self.migrate("emqx.conf", body)
        made = (to / "ternmq.toml").read_text()
        section, found = "", {}
        for line in made.splitlines():
            if line.startswith("["):
                section = line.strip("[]") + "."
            elif " = " in line:
                key, value = line.split(" = ", 1)
                found[section + key] = json.loads(value)
        wrong = [f"{key} is {found.get(key)}" for key, value in due.items() if found.get(key) != value]
        if wrong:
            raise Failure("; ".join(wrong))
        ours = self.ours(to, [1883])
        try:
            client = Client(self.folder, 1883, "tcp", (None, None, None, "a"))
            client.close()
        finally:
            ours.stop()
        if client.code != anonymous:
            raise Failure(f"a client without a name is {client.code}")
        return f"{len(found)} settings, the broker takes them"


def alone():
    """Goes on in a network of its own, where only loopback is."""
    if "TERNMQ_ALONE" in os.environ:
        return
    up = "ip link set lo up && exec \"$@\""
    for options in (["-n"], ["-r", "-n"]):
        command = ["unshare", *options, "sh", "-c", up, "sh"]
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            os.environ["TERNMQ_ALONE"] = "1"
            os.execvp(command[0], [*command, sys.executable, *sys.argv])
    sys.exit("no network of one's own: run this as root")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    binary = os.path.abspath(parser.parse_args().bin)
    alone()
    with tempfile.TemporaryDirectory(prefix="ternmq-migrate-") as folder:
        suite = Suite(binary, pathlib.Path(folder))
        suite.case("every option of mosquitto.conf(5)", suite.every_option)
        suite.case("every key of EMQX 5.0.11", suite.every_key)
        for name, *rest in MOSQUITTO:
            suite.case(f"mosquitto, {name}", suite.beside, *rest)
        for name, *rest in EMQX:
            suite.case(f"EMQX, {name}", suite.emqx, *rest)
    print(f"{suite.passed} passed, {suite.failed} failed")
    sys.exit(1 if suite.failed else 0)


if __name__ == "__main__":
    main()
