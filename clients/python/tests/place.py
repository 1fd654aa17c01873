"""Where the tests take place: a broker that can be stopped and started, a cable that can be cut,
and waiting with a deadline."""

import os
import socket
import subprocess
import tempfile
import threading
import time
import uuid

BINARY = os.environ.get("TERNMQ_BIN", "")
LONG = bool(os.environ.get("TERNMQ_LONG"))
PATIENCE = 20


class Broker:
    """The binary under test, on a port and in a folder of its own; both outlive a restart."""

    def __init__(self, *settings, host="127.0.0.1", within=()):
        if not BINARY:
            raise RuntimeError("TERNMQ_BIN names the broker's binary")
        self.folder = tempfile.TemporaryDirectory(prefix="ternmq-python-")
        self.settings, self.host, self.port = settings, host, 0
        self.within = within  # a command that runs it somewhere else
        self.start()

    def start(self):
        command = [*self.within, BINARY, "start", "--data-dir", self.folder.name,
                   "--set", f"listeners.tcp.default.bind={self.host}:{self.port}",
                   "--set", "listeners.ssl.default.enabled=false",
                   "--set", "listeners.ws.default.enabled=false",
                   "--set", "listeners.wss.default.enabled=false",
                   "--set", "dashboard.enabled=false"]
        for setting in self.settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT)
        said = []
        for line in self.process.stdout:
            said.append(line)
            words = line.split()
            if words[:2] == ["listening", "tcp:default"]:
                self.port = int(words[2].rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError("the broker did not start:\n" + "".join(said))
        threading.Thread(target=drain, args=(self.process.stdout,), daemon=True).start()

    def stop(self):
        self.end(self.process.terminate)

    def kill(self):
        self.end(self.process.kill)

    def end(self, how):
        how()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.kill()
        self.folder.cleanup()


class Cable:
    """A port that leads to the broker, can be cut (connections end) or frozen (nothing moves and
    nobody says so)."""

    def __init__(self, port, context=None):
        self.target, self.context = port, context
        self.moving = threading.Event()
        self.moving.set()
        self.ends = []
        self.listener = None
        self.listen(0)

    def listen(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            self.moving.wait()
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                if self.context:
                    near = self.context.wrap_socket(near, server_side=True)
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, sink):
        try:
            while True:
                self.moving.wait()
                data = source.recv(65536)
                self.moving.wait()
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        hang_up(source)
        hang_up(sink)

    def cut(self):
        listener, self.listener = self.listener, None
        if listener is not None:
            hang_up(listener)
        for end in self.ends:
            hang_up(end)
        self.ends = []

    def mend(self):
        if self.listener is None:
            self.listen(self.port)
        self.moving.set()

    def freeze(self):
        self.moving.clear()


def drain(stream):
    with stream:
        while stream.read(4096):
            pass


def hang_up(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


def name(start="lab"):
    """A topic or client id that nobody else has."""
    return f"{start}-{uuid.uuid4().hex[:10]}"


def until(condition, patience=PATIENCE, what="that"):
    """Waits for a condition with a deadline."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.01)


def free_port():
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
