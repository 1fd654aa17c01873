"""mosquitto_pub and mosquitto_sub, one version: goes through the features of the matrix.

Usage: mosquitto_cells.py HOST PORT tcp 3.1|3.1.1|5. Prints `feature ok` or `feature FAIL why`.
"""

import queue
import subprocess
import sys
import threading
import uuid

PATIENCE = 10
VERSION = {"3.1": "31", "3.1.1": "311", "5": "5"}


class Listener:
    """A running mosquitto_sub; `%q %r %p` of each message lands in a queue."""

    running = []  # so that a story that fails leaves no process behind

    def __init__(self, where, topic, *options):
        # Its own words come at once only if its output is not held back by a full buffer.
        command = ["stdbuf", "-oL", "mosquitto_sub", *where, "-t", topic, "-d",
                   "-F", "GOT %q %r %p", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT)
        Listener.running.append(self)
        self.lines, self.said = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put("END")

    def wait(self, start):
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"no {start!r} after {self.said}") from None
            self.said.append(line)
            if line.startswith(start):
                return line
            assert line != "END", f"no {start!r} in {self.said}"

    def subscribed(self):
        self.wait("Subscribed")
        return self

    def next(self):
        _, qos, retain, *payload = self.wait("GOT").split(" ", 3)
        return int(qos), retain == "1", "".join(payload)

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    @classmethod
    def kill_all(cls):
        for listener in cls.running:
            listener.kill()
        cls.running.clear()


def publish(where, topic, payload, qos=0, *options):
    what = ["-m", payload] if payload else ["-n"]
    command = ["mosquitto_pub", *where, "-t", topic, "-q", str(qos), *what, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def fresh():
    return f"cell/{uuid.uuid4().hex}"


def flow(where, qos):
    topic = fresh()
    listener = Listener(where, topic, "-q", str(qos)).subscribed()
    for n in range(5):
        publish(where, topic, str(n), qos)
        got = listener.next()
        assert got == (qos, False, str(n)), got
    listener.close()


def retained(where):
    topic = fresh()
    publish(where, topic, "kept", 1, "-r")
    late = Listener(where, topic, "-q", "1").subscribed()
    got = late.next()
    assert got == (1, True, "kept"), got
    late.close()
    publish(where, topic, "", 1, "-r")
    later = Listener(where, topic, "-q", "1").subscribed()
    publish(where, topic, "end", 1)
    got = later.next()
    assert got == (1, False, "end"), got
    later.close()


def will(where):
    topic = fresh()
    witness = Listener(where, topic, "-q", "1").subscribed()
    options = ["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1"]
    lost = Listener(where, fresh(), *options).subscribed()
    lost.kill()
    got = witness.next()
    assert got == (1, False, "gone"), got
    witness.close()


def session(where):
    topic = fresh()
    kept = ["-c", "-i", f"kept-{uuid.uuid4().hex[:12]}", "-q", "1"]
    if "5" in where:
        kept += ["-x", "60"]
    sleeper = Listener(where, topic, *kept).subscribed()
    sleeper.close()
    publish(where, topic, "meanwhile", 1)
    sleeper = Listener(where, topic, *kept)
    got = sleeper.next()
    assert got == (1, False, "meanwhile"), got
    sleeper.close()


FEATURES = {
    "qos0": lambda where: flow(where, 0),
    "qos1": lambda where: flow(where, 1),
    "qos2": lambda where: flow(where, 2),
    "retained": retained,
    "will": will,
    "session": session,
}

if __name__ == "__main__":
    host, port, _, version = sys.argv[1:]
    place = ["-h", host, "-p", port, "-V", VERSION[version]]
    for feature, story in FEATURES.items():
        try:
            story(place)
            print(feature, "ok", flush=True)
        except Exception as why:  # whatever it is, it is this cell's failure, not the run's
            print(feature, "FAIL", type(why).__name__, str(why).replace("\n", " "), flush=True)
        finally:
            Listener.kill_all()
