"""Other people's clients against our broker: client x transport x version x feature.

    python3 tests/clients/matrix.py --bin target/debug/ternmq

Fetches paho-mqtt (both generations) and MQTT.js into --work by pip and npm, takes mosquitto's
tools from the system, starts the broker, and prints a table and `N passed, N failed`. A client
that cannot be had is a failure, not a gap.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VERSIONS = ["3.1", "3.1.1", "5"]
FEATURES = ["qos0", "qos1", "qos2", "retained", "will", "session"]
TYPED = ["page_python", "papers"]
TYPED_ONCE = ["page_javascript", "page_c", "page_mosquitto", "page_ternmq", "page_all", "example_javascript",
              "example_c", "example_rust"]
TUTORIAL = ["examples", "reconnect", "refused", "early-subscribe"]
PAHO = {"paho-1.6": "paho-mqtt==1.6.1", "paho-2": "paho-mqtt>=2,<3"}
RUN_SECS = 120


class Broker:
    """Our broker on ports and a data folder of its own."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="ternmq-clients-")
        command = [binary, "start", "--data-dir", self.folder.name]
        for kind in ("tcp", "ssl", "ws", "wss"):
            command += ["--set", f"listeners.{kind}.default.bind=127.0.0.1:0"]
        command += ["--set", "dashboard.bind=127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT)
        self.ports, self.said, ready = {}, [], threading.Event()
        threading.Thread(target=self.read, args=(ready,), daemon=True).start()
        if not ready.wait(20) or len(self.ports) < 2:
            self.stop()
            sys.exit("the broker did not start:\n" + "".join(self.said))

    def read(self, ready):
        for line in self.process.stdout:
            self.said.append(line)
            words = line.split()
            if len(words) == 3 and words[0] == "listening" and words[1].endswith(":default"):
                self.ports[words[1].split(":")[0]] = words[2].rsplit(":", 1)[1]
                if {"tcp", "ws"} <= self.ports.keys():
                    ready.set()
        ready.set()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def paho(work, name, requirement):
    """The python of an environment that has this paho-mqtt."""
    home = work / name
    python = home / "bin" / "python"
    stamp = home / "has"
    if not stamp.exists() or stamp.read_text() != requirement:
        venv.create(home, with_pip=True, clear=True)
        run([python, "-m", "pip", "install", "--quiet", requirement])
        stamp.write_text(requirement)
    return python


def mqtt_js(work):
    """The MQTT.js cells in a folder that has MQTT.js, by the lock file."""
    home = work / "js"
    home.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "js" / "package-lock.json").read_text()
    stamp = home / "has"
    for name in ("package.json", "package-lock.json", "cells.js"):
        shutil.copy(HERE / "js" / name, home / name)
    if not stamp.exists() or stamp.read_text() != lock:
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=home)
        stamp.write_text(lock)
    return home / "cells.js"


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}".strip())


def rows(work, binary):
    """Each row: client, transport, version, command, and the features it tells of."""
    for name, requirement in PAHO.items():
        python = had(paho, work, name, requirement)
        for transport in ("tcp", "ws"):
            for version in VERSIONS:
                yield name, transport, version, [python, HERE / "paho_cells.py"], FEATURES
        yield f"tutorial {name}", "tcp", "", [python, HERE / "tutorial.py"], TUTORIAL
        typed = [python, HERE / "snippets.py", binary, work]
        yield f"typed {name}", "tcp", "", [*typed, *TYPED], TYPED
    script = had(mqtt_js, work)
    yield "typed", "tcp", "", [sys.executable, *typed[1:], *TYPED_ONCE], TYPED_ONCE
    for transport in ("tcp", "ws"):
        for version in VERSIONS:
            yield "mqtt.js", transport, version, ["node", script], FEATURES
    for version in VERSIONS:
        # Debian's mosquitto_pub and mosquitto_sub 2.0 speak no WebSocket.
        command = [sys.executable, HERE / "mosquitto_cells.py"]
        yield "mosquitto", "tcp", version, command, FEATURES


def had(fetch, *args):
    """What `fetch` fetched; a stand-in that cannot run if it could not."""
    try:
        return fetch(*args)
    except (OSError, RuntimeError, subprocess.SubprocessError) as why:
        print(f"{fetch.__name__}: {why}", file=sys.stderr)
        return None


def cells(broker, row):
    """feature -> None if it passed, else why not."""
    _, transport, version, command, features = row
    if None in command:
        return dict.fromkeys(features, "the client could not be fetched")
    where = ["127.0.0.1", broker.ports[transport]]
    if version:
        where += [transport, version]
    outcome = dict.fromkeys(features, "it told nothing")
    try:
        done = subprocess.run([*map(str, command), *where], capture_output=True, text=True,
                              timeout=RUN_SECS)
        said, end = done.stdout, done.stderr.strip().splitlines()[-1:]
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        end = [f"not done after {RUN_SECS} s"]
    for line in said.splitlines():
        feature, _, verdict = line.partition(" ")
        if feature in outcome:
            outcome[feature] = None if verdict == "ok" else verdict
    return {f: f"{why} {' '.join(end)}" if why == "it told nothing" else why
            for f, why in outcome.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="the broker's binary")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "clients",
                        help="where fetched clients are kept (default: target/clients)")
    parser.add_argument("--only", default="", help="only clients whose name has this in it")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    started, passed, failures, header = time.monotonic(), 0, [], None
    broker = Broker(args.bin)
    try:
        for row in rows(args.work.resolve(), pathlib.Path(args.bin).resolve()):
            if args.only not in row[0]:
                continue
            if row[4] != header:
                header = row[4]
                print("".join(f"{h:<18}" for h in ("client", "over", "MQTT", *header)).rstrip())
            outcome = cells(broker, row)
            marks = ["ok" if why is None else "FAIL" for why in outcome.values()]
            print("".join(f"{h:<18}" for h in (*row[:3], *marks)).rstrip(), flush=True)
            passed += marks.count("ok")
            failures += [f"{' '.join(row[:3])} {f}: {why}" for f, why in outcome.items() if why]
        if broker.process.poll() is not None:
            failures.append("the broker ended: " + "".join(broker.said[-20:]))
    finally:
        broker.stop()
    for failure in failures:
        print(failure)
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures or not passed else 0)


if __name__ == "__main__":
    main()
