"""The tutorial from another machine of the local network, and from a public address.

    sudo python3 tests/clients/networks.py --bin target/debug/ternmq

Two network namespaces with a cable between them are the machines. A broker with nothing set runs in
one; the tutorial's scripts run in the other, on both generations of paho-mqtt: at a private address
they work as typed, at a public one they are refused, and the broker's log says what helps.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from matrix import HERE, PAHO, ROOT, TUTORIAL, paho

SERVER, CLIENT = (f"ternmq-{end}{os.getpid()}" for end in ("s", "c"))
NEAR, FAR = "192.168.77.1", "203.0.113.1"
REMEDY = "lan_guard.trusted"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def lay_cable():
    for name in (SERVER, CLIENT):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", SERVER, "link", "add", "s", "type", "veth", "peer", "name", "c", "netns", CLIENT)
    for name, device, last in ((SERVER, "s", "1"), (CLIENT, "c", "2")):
        for network in ("192.168.77.", "203.0.113."):
            ip("-n", name, "addr", "add", f"{network}{last}/24", "dev", device)
        ip("-n", name, "link", "set", device, "up")


def within(name):
    return ["ip", "netns", "exec", name]


class Broker:
    """With its defaults, on the usual ports: nobody else has them in there."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="ternmq-networks-")
        command = [*within(SERVER), binary, "start", "--data-dir", self.folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT, cwd=self.folder.name)
        self.said, self.ready, self.told = [], threading.Event(), threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.ready.wait(20):
            sys.exit("the broker did not start:\n" + "".join(self.said))

    def read(self):
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("listening tcp:default "):
                self.ready.set()
            if "203.0.113.2" in line and REMEDY in line:
                self.told.set()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.folder.cleanup()


REFUSED = """
import sys
import paho.mqtt.client as mqtt
import threading
refused = threading.Event()
if hasattr(mqtt, "CallbackAPIVersion"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="stranger")
else:
    client = mqtt.Client("stranger")
def on_connect(client, userdata, flags, code, *rest):
    print(str(code), flush=True)
    refused.set()
client.on_connect = on_connect
client.connect(sys.argv[1], 1883, 60)
client.loop_start()
sys.exit(0 if refused.wait(10) else 1)
"""


def near(python):
    command = [*within(CLIENT), python, HERE / "tutorial.py", NEAR, "1883"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    return {f"near {f}": said.get(f, done.stderr.strip() or "it told nothing") for f in TUTORIAL}


def far(python):
    command = [*within(CLIENT), python, "-c", REFUSED, FAR]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    words = done.stdout.strip()
    refused = words == "5" or "not authori" in words.lower()
    return {"far refused": "ok" if refused else f"{words} {done.stderr}".strip()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="the broker's binary")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "clients",
                        help="where fetched clients are kept (default: target/clients)")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    pythons = {name: paho(args.work.resolve(), name, what) for name, what in PAHO.items()}
    results = {}
    try:
        lay_cable()
        broker = Broker(args.bin.resolve())
        try:
            for name, python in pythons.items():
                for cell, verdict in {**near(python), **far(python)}.items():
                    results[f"{name} {cell}"] = verdict
            told = broker.told.wait(10)
            results["the log has the remedy"] = "ok" if told else "".join(broker.said[-20:])
        finally:
            broker.stop()
    finally:
        for name in (SERVER, CLIENT):
            subprocess.run(["ip", "netns", "del", name], check=False)
    for cell, verdict in results.items():
        print(f"{cell:<32}{verdict}")
    passed = list(results.values()).count("ok")
    print(f"{passed} passed, {len(results) - passed} failed")
    sys.exit(0 if passed == len(results) else 1)


if __name__ == "__main__":
    main()
