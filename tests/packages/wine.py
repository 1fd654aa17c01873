"""The Windows zip under wine, from a path with a space and Chinese characters.

    python3 tests/packages/wine.py --zip target/dist/ternmq-0.1.0-windows-amd64.zip

`console`, publishing and subscribing in Chinese byte for byte, a retained message over a restart,
the service's commands, and the dashboard's walk to the first message. Needs wine64, mingw, and root
for a network of its own. Wine before 9 has no `bcryptprimitives.dll`, which every Windows 10 has:
one is made, for this test only.
"""

import argparse
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_SECS = 60
TOPIC, PAYLOAD = "传感器/一号 温度", "你好，世界 ✓ 36.5℃"
# The dashboard's port is tried first, and would be the one that is told.
MQTT_ONLY = ["--set", "dashboard.enabled=false"]
RANDOM = """
#include <windows.h>
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T len) {
    return SystemFunction036(to, (ULONG)len);
}
"""
# Wine makes Ctrl-C of SIGINT; SIGTERM would end one thread and leave the others.
WRAPPER = """#!/bin/sh
'{wine}' '{exe}' "$@" &
trap "kill -INT $!" TERM
wait $!
code=$?
[ $code -le 128 ] || {{ wait $!; code=$?; }}
exit $code
"""


class Wrong(Exception):
    """Something is not as it was promised."""


def check(is_so, what, said=""):
    if not is_so:
        raise Wrong(f"{what}\n{said}".strip())


class Windows:
    """Wine with a C: of its own, and the program on it."""

    def __init__(self, archive, place):
        self.wine = shutil.which("wine64") or "/usr/lib/wine/wine64"
        self.env = dict(os.environ, WINEPREFIX=str(place / "prefix"), WINEDEBUG="-all",
                        LC_ALL="C.UTF-8", WINEARCH="win64")
        self.env.pop("DISPLAY", None)
        # Wine shuts its services down with the last program, and Windows never does; whatever starts
        # in that moment waits for services that are going.
        (place / "prefix").mkdir()
        self.server("-p")
        # The first program of all lets wine make C: and start its services. `wineboot --init` would
        # start them a second time, and each would have services that the other does not know.
        subprocess.run([self.wine, "cmd", "/c", "exit"], env=self.env, check=True, timeout=300,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.folder = place / "prefix" / "drive_c" / "程序 测试"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(self.folder)
        self.folder = next(self.folder.iterdir())
        self.exe = self.folder / "ternmq.exe"
        source = place / "random.c"
        source.write_text(RANDOM)
        subprocess.run(["x86_64-w64-mingw32-gcc", "-shared", "-o",
                        self.folder / "bcryptprimitives.dll", source, "-ladvapi32"], check=True)

    def start(self, *arguments, **options):
        return subprocess.Popen([self.wine, self.exe, *arguments], env=self.env, cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, **options)

    def run(self, *arguments, good=True):
        done = self.start(*arguments)
        said = done.communicate(timeout=PATIENCE_SECS)[0]
        if good:
            check(done.returncode == 0, f"{arguments}: exit code {done.returncode}",
                  said.decode(errors="replace"))
        return said

    def server(self, option):
        """Tells the one process that all of wine shares."""
        program = shutil.which("wineserver") or "/usr/lib/wine/wineserver64"
        subprocess.run([program, option], env=self.env, check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.server("-k")


class Console:
    """`ternmq console`, and what it prints."""

    def __init__(self, windows, *arguments):
        self.process = windows.start("console", *arguments)
        self.lines, self.said = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip())
        self.lines.put(None)

    def hears(self, word):
        deadline = time.monotonic() + PATIENCE_SECS
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            check(line is not None, f"it does not say {word!r}", "\n".join(self.said))
            self.said.append(line)
            if word in line:
                return line

    def end(self):
        """Ctrl-C, which wine makes of this signal."""
        self.process.send_signal(signal.SIGINT)
        check(self.process.wait(PATIENCE_SECS) == 0, "it did not end in order", "\n".join(self.said))


def console(windows, tell):
    broker = Console(windows)
    place = broker.hears("Data ")
    check("程序 测试" in place, "the data is not beside the program", place)
    broker.hears("netsh advfirewall firewall add rule")
    broker.hears("listening http:dashboard")
    tell(f"console: {place.strip()}")
    receiver = windows.start("sub", "-h", "127.0.0.1", "-t", TOPIC, "-C", "1", "-W", "30")
    # The retained one arrives whoever is first.
    windows.run("pub", "-h", "127.0.0.1", "-t", TOPIC, "-m", PAYLOAD, "-r", "-q", "1")
    got = receiver.communicate(timeout=PATIENCE_SECS)[0]
    check(got.rstrip(b"\r\n") == PAYLOAD.encode(), "the payload", repr(got))
    tell(f"pub and sub: {TOPIC} {got.decode().strip()}")
    said = windows.run("bench", "latency", "-h", "127.0.0.1", "--clients", "2", "--rate", "100",
                       "--duration", "2", "--json").decode()
    figures = json.loads(said)
    check(figures["received"] > 0 and figures["lost"] == 0, "bench", said)
    tell(f"bench: {figures['received']} messages, none lost")
    again = windows.run("console", good=False).decode(errors="replace")
    check("data" in again.lower(), "a second broker on the same data", again)
    taken = windows.run("console", "--data-dir", "other", *MQTT_ONLY, good=False).decode(errors="replace")
    check("port 1883 is used by" in taken and "netstat" in taken, "the taken port", taken)
    tell("taken port: " + taken.strip().splitlines()[-1])
    broker.end()
    broker = Console(windows)
    broker.hears("listening http:dashboard")
    got = windows.run("sub", "-h", "127.0.0.1", "-t", TOPIC, "-C", "1", "-W", "30", "-v")
    check(got.rstrip(b"\r\n") == f"{TOPIC} {PAYLOAD}".encode(), "what was retained", repr(got))
    broker.end()
    check((windows.folder / "ternmq-data" / "store").is_dir(), "the data")
    tell("retained over a restart")


def service(windows, tell):
    said = windows.run("service", "install").decode()
    check("netsh advfirewall" in said and "ProgramData" in said, "install", said)
    windows.run("service", "start")
    windows.run("pub", "-h", "127.0.0.1", "-t", TOPIC, "-m", PAYLOAD, "-r", "-q", "1")
    windows.run("service", "stop")
    windows.run("service", "start")
    got = windows.run("sub", "-h", "127.0.0.1", "-t", TOPIC, "-C", "1", "-W", "30")
    check(got.rstrip(b"\r\n") == PAYLOAD.encode(), "what the service retained", repr(got))
    windows.run("service", "stop")
    squatter = Console(windows, *MQTT_ONLY)
    squatter.hears("listening tcp:default")
    said = windows.run("service", "start", good=False).decode()
    squatter.end()
    check("ternmq.log" in said, "a start that fails", said)
    windows.run("service", "uninstall")
    home = windows.folder.parents[1] / "ProgramData" / "TernMQ"
    check((home / "store").is_dir(), "its data")
    log = (home / "log" / "ternmq.log").read_text()
    for word in (r"Data       C:\ProgramData", "port 1883 is used by"):
        line = next((line for line in log.splitlines() if word in line), None)
        check(line, f"its log does not say {word!r}", log)
        tell(f"service: {line}")
    check(windows.run("service", "start", good=False) != b"", "it says nothing")
    tell("service: install, start, stop, start, stop, uninstall; its data stays")


def walk(windows, place, tell):
    """The dashboard in a browser, from signing in to the first message."""
    wrapper = place / "ternmq"
    wrapper.write_text(WRAPPER.format(wine=windows.wine, exe=windows.exe))
    wrapper.chmod(0o755)
    command = ["npm", "--prefix", ROOT / "web", "run", "--silent", "walk", "--", wrapper, "first"]
    done = subprocess.run(command, env=windows.env, cwd=ROOT, capture_output=True, text=True, timeout=900)
    check(done.returncode == 0, "the dashboard's walk", done.stdout[-3000:] + done.stderr[-3000:])
    tell("dashboard: " + done.stdout.strip().splitlines()[-1])


STEPS = {"console": lambda windows, place, tell: console(windows, tell),
         "service": lambda windows, place, tell: service(windows, tell),
         "walk": walk}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", required=True, type=pathlib.Path)
    parser.add_argument("--step", action="append", choices=STEPS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.inside:
        # A network of its own: the ports are those that people have.
        script = "ip link set lo up && exec \"$@\""
        again = [sys.executable, __file__, *sys.argv[1:], "--inside"]
        sys.exit(subprocess.run(["unshare", "-n", "sh", "-c", script, "sh", *again]).returncode)
    work = ROOT / "target" / "package"
    work.mkdir(parents=True, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ternmq-wine-", dir=work,
                                     ignore_cleanup_errors=True) as place:
        windows = Windows(args.zip.resolve(), pathlib.Path(place))
        try:
            for name in args.step or STEPS:
                try:
                    STEPS[name](windows, pathlib.Path(place),
                                lambda line: print(f"  {line}", flush=True))
                except (Wrong, subprocess.TimeoutExpired) as why:
                    failed += 1
                    print(f"  FAILED {name}: {why}", flush=True)
        finally:
            windows.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
