"""What the dashboard and the READMEs tell people to type, taken out of them and run as it stands.

The programs in examples/ are run here, too; those of docs/ and of clients/python/ by `tests/docs/snippets.py`.

Usage: snippets.py BINARY WORK FEATURE... HOST PORT, with the Python whose paho-mqtt is to be used.
Prints `feature ok` or `feature FAIL why`. Programs that say port 1883 get to our broker all the same.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAPERS = ["README.md", "README.zh.md", "examples/python/README.md"]
BLOCK = re.compile(r"^```(sh|py|c|js)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What builds this binary, and what runs this test.
ELSEWHERE = {"cargo run --release", "cargo xtask ci"}
# Programs that go on until somebody ends them.
ENDLESS = re.compile(r"mosquitto_sub|ternmq sub|mqttx sub|mqtt_subscriber\.py|mqtt_publisher\.py")
PATIENCE = 20

# Loaded by every Python below us: the port that all the texts say leads to our broker.
REDIRECT = """
import os, socket
_connect = socket.socket.connect
def connect(self, address):
    if isinstance(address, tuple) and address[1] == 1883:
        address = (address[0], int(os.environ["SNIPPETS_PORT"]), *address[2:])
    return _connect(self, address)
socket.socket.connect = connect
"""


class Desk:
    """A folder in which somebody types, with our programs first in the path."""

    def __init__(self, folder, binary, work, where):
        self.folder, self.binary, self.work, self.where = folder, binary, work, where
        tools = folder / "tools"
        tools.mkdir()
        (tools / "sitecustomize.py").write_text(REDIRECT)
        for name in ("mosquitto_sub", "mosquitto_pub"):
            self.tool(tools / name, f'exec /usr/bin/{name} -p {where[1]} "$@"')
        self.tool(tools / "ternmq", 'tool=$1; shift; case $tool in pub|sub|rr|conn) '
                  f'set -- -p {where[1]} "$@";; esac; exec "{binary}" "$tool" "$@"')
        path = os.pathsep.join([str(tools), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        self.env = {**os.environ, "PATH": path, "PYTHONPATH": str(tools), "PYTHONUNBUFFERED": "1",
                    "SNIPPETS_PORT": where[1], "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    @staticmethod
    def tool(path, line):
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run(self, command, wanted=(), cwd=None):
        """Runs until all that is wanted was said, or the end; fails if that is not what happens."""
        process = subprocess.Popen(command, cwd=cwd or self.folder, env=self.env, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(PATIENCE)
        said, missing = "", list(wanted)
        try:
            for line in process.stdout:
                said += line
                missing = [one for one in missing if one not in said]
                if wanted and not missing:
                    return
            code = process.wait()
            assert not missing and code == 0, f"{command!r} ended with {code}, said {said!r}"
        finally:
            signal.alarm(0)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def shell(self, text, wanted=(), cwd=None):
        lines = [line.split(" #")[0].rstrip() for line in text.strip().splitlines()]
        lines = [f"{line} &\nsleep 1" if ENDLESS.search(line) and not line.endswith("&") else line
                 for line in lines]
        # Whoever types takes a moment between two commands.
        script = "\n".join(f"{line}\nsleep 1" if line.endswith("&") else line for line in lines)
        self.run(["bash", "-ec", script + ("\nwait" if wanted else "")], wanted, cwd)


def of_page(where):
    shown = subprocess.run(["node", ROOT / "web" / "tests" / "snippets.js", *where], check=True,
                           capture_output=True, text=True)
    return {one["id"]: one for one in json.loads(shown.stdout)}


def page_python(desk):
    desk.run([sys.executable, "-c", of_page(desk.where)["python"]["code"]], ["test hello from Python"])


def page_javascript(desk):
    js = desk.work / "js"
    program = js / "page.mjs"
    program.write_text(of_page(desk.where)["javascript"]["code"])
    desk.run(["node", program], ["test hello from JavaScript"], cwd=js)


def page_c(desk):
    home = paho_c(desk)
    (desk.folder / "first.c").write_text(of_page(desk.where)["c"]["code"])
    lib = next(home.glob("usr/lib/*/libpaho-mqtt3c.so")).parent
    install = of_page(desk.where)["c"]["install"].splitlines()
    compiling = [line for line in install if line.startswith("gcc")]
    assert len(compiling) == 1, install
    desk.run([*compiling[0].split(), "-I", home / "usr/include", "-L", lib, f"-Wl,-rpath,{lib}"])
    desk.run(["./first"], ["test hello from C"])


def paho_c(desk):
    """What the page names."""
    return debian(desk, "paho-c", "libpaho-mqtt3c.so", ["libpaho-mqtt1.3", "libpaho-mqtt-dev"])


def debian(desk, name, library, packages):
    """Debian's packages with a library, unpacked."""
    home = desk.work / name
    if not list(home.glob(f"usr/lib/*/{library}")):
        home.mkdir(exist_ok=True)
        for command in (["apt-get", "download", *packages],
                        ["bash", "-ec", "for deb in *.deb; do dpkg -x $deb .; done"]):
            subprocess.run(command, check=True, capture_output=True, cwd=home)
    return home


def page_mosquitto(desk):
    desk.shell(of_page(desk.where)["mosquitto"]["code"], ["test hello from mosquitto"])


def page_ternmq(desk):
    desk.shell(of_page(desk.where)["ternmq"]["code"], ["test hello from ternmq"])


def page_all(desk):
    """Whoever adds a snippet to the page runs it here."""
    programs = {name for name, one in of_page(desk.where).items() if not one.get("isForm")}
    tested = {name.removeprefix("page_") for name in globals() if name.startswith("page_")}
    assert programs <= tested, f"not run: {programs - tested}"


def example_javascript(desk):
    js = desk.work / "js"
    program = js / "lab.mjs"
    program.write_text((ROOT / "examples" / "javascript" / "lab.mjs").read_text())
    desk.run(["node", program, *desk.where], ["lab/js/online true", 'lab/js/value {"count":'], cwd=js)


def example_c(desk):
    home = debian(desk, "mosquitto-c", "libmosquitto.so", ["libmosquitto1", "libmosquitto-dev"])
    lib = next(home.glob("usr/lib/*/libmosquitto.so")).parent
    desk.run(["gcc", "-Wall", "-Wextra", "-Werror", ROOT / "examples" / "c" / "lab.c", "-o", "lab",
              "-I", home / "usr/include", "-L", lib, f"-Wl,-rpath,{lib}", "-lmosquitto"])
    desk.run(["./lab", *desk.where], ["lab/c/online true", 'lab/c/value {"count": '])


def example_rust(desk):
    source, home = ROOT / "examples" / "rust", desk.work / "rust"
    (home / "src").mkdir(parents=True, exist_ok=True)
    for name in ("Cargo.toml", "src/main.rs"):
        (home / name).write_text((source / name).read_text())
    subprocess.run(["cargo", "build", "--quiet"], check=True, capture_output=True, cwd=home)
    desk.run([home / "target" / "debug" / "lab", *desk.where],
             ["lab/rust/online true", 'lab/rust/value {"count": '])


def papers(desk):
    """Every block of the READMEs, in order."""
    ran = 0
    for paper in sorted({path for pattern in PAPERS for path in ROOT.glob(pattern)}):
        for kind, text in BLOCK.findall(paper.read_text()):
            if text.strip() in ELSEWHERE:
                continue
            try:
                {"sh": paper_shell, "py": paper_python}[kind](desk, text)
            except (AssertionError, KeyError) as why:
                raise AssertionError(f"{paper.relative_to(ROOT)}: {text!r}: {why!r}") from why
            ran += 1
    assert ran >= 8, f"only {ran} blocks found"


def paper_shell(desk, text):
    if "ternmq store" in text:
        text = text.replace("DIR", "copy").replace("FILE", "one-file")
        if not (desk.folder / "ternmq-data").exists():
            kept = [word for name in ("listeners.tcp.default", "listeners.ssl.default",
                                      "listeners.ws.default", "listeners.wss.default", "dashboard")
                    for word in ("--set", f"{name}.bind=127.0.0.1:0")]
            desk.run([desk.binary, "start", *kept], ["listening tcp:default"])
        for made in ("copy", "one-file"):
            subprocess.run(["rm", "-rf", made], check=True, cwd=desk.folder)
        desk.shell(text)
        return
    # What a subscriber of the block has to show.
    wanted = re.findall(r"-m '([^']*)'", text) or ["this is a test message"]
    desk.shell(text, wanted, cwd=ROOT)


def paper_python(desk, text):
    listens = "\nimport time\ntime.sleep(5)" if "callback_func" in text else ""
    desk.run([sys.executable, "-c", text + listens], ["lab/eeg 42"], cwd=ROOT / "examples" / "python")


def main():
    binary, work, *features, host, port = sys.argv[1:]
    for feature in features:
        with tempfile.TemporaryDirectory(prefix="ternmq-snippets-") as folder:
            desk = Desk(pathlib.Path(folder), pathlib.Path(binary).resolve(), pathlib.Path(work), (host, port))
            try:
                globals()[feature](desk)
                print(feature, "ok", flush=True)
            except Exception as why:  # Whatever it is, the other features are told, too.
                print(feature, "FAIL", repr(why).replace("\n", " ")[:600], flush=True)


if __name__ == "__main__":
    main()
