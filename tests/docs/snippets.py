"""Runs what docs/ and clients/ show: every fenced block, in order, byte for byte.

    python3 tests/docs/snippets.py --bin target/debug/ternmq [docs/first-steps.md ...]

Without names these are all documents there with a block of some language. READMEs and the
dashboard's code are run by `tests/clients/snippets.py`, in the clients' environments.

Each document gets a network of its own, so that ports are as written, an empty folder, and the
Python package. In the line that opens a block:

    sh, py              runs to its end, and succeeds
    sh background, ...  keeps running till the document ends; only if it stops early is it a failure
    py FILE             is kept as FILE, and runs when a later block runs it
    text                lines that a block before prints, all of them the same one
    toml                a configuration that the broker takes
    json                what is JSON

Other languages are refused, so that nothing is shown that nobody ran. `cargo run --release` starts
the binary under test, and `pip install` is done before, outside, where the network is. Needs root,
or a system where everybody may have such a network (`unshare`).
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.M | re.S)
RUN_SECS = 30
# Documents at a time; they wait more than they work.
SIDE_BY_SIDE = 4
# Long enough for a program that fails at once to have failed.
SETTLE_SECS = 1.5
CARGO = """#!/bin/sh
[ "$1 $2" = "run --release" ] || { echo "only run --release is known here" >&2; exit 1; }
shift 2
[ "$1" = -- ] && shift
exec ternmq "$@"
"""


class Failure(Exception):
    """A block that does not do what the document says."""


def readable(body):
    try:
        json.loads(body)
    except ValueError as why:
        raise Failure(f"this is no JSON: {why}") from None


class Document:
    """One document as it is run: its folder, its environment, what runs in the background."""

    def __init__(self, path, folder, python, network):
        self.path, self.folder, self.network = path, folder, network
        commands = os.pathsep.join([str(folder / "bin"), str(python.parent), os.environ["PATH"]])
        self.environment = dict(os.environ, PATH=commands, PYTHONUNBUFFERED="1", LC_ALL="C.UTF-8")
        self.environment.pop("TERNMQ_HOST", None)
        self.environment.pop("TERNMQ_PORT", None)
        self.running, self.outputs, self.count = [], [], 0

    def run(self):
        """Every block in turn; `count` tells how many."""
        text = self.path.read_text(encoding="utf-8")
        (self.folder / "home").mkdir()
        for found in FENCE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            try:
                self.block(found.group(1).split(), found.group(2))
            except Failure as why:
                raise Failure(f"{self.path.relative_to(ROOT)}:{line}: {why}") from None
            self.count += 1

    def block(self, kind, body):
        if kind[:1] == ["text"]:
            return self.prints(body)
        if kind[:1] == ["json"]:
            return readable(body)
        if kind[:1] == ["toml"]:
            return self.taken(body)
        if kind[:1] not in (["sh"], ["py"]):
            raise Failure(f"a block of {' '.join(kind) or 'nothing'}, which nobody can run")
        if len(kind) > 1 and kind[1] != "background":
            (self.folder / "home" / kind[1]).write_text(body, encoding="utf-8")
            return None
        if all(line.startswith("pip install") for line in body.splitlines()):
            return None  # `prepare` did it.
        name = self.folder / f"block.{kind[0]}"
        name.write_text(body, encoding="utf-8")
        command = ["bash", "-eu", name] if kind[0] == "sh" else ["python", name]
        return self.stay(command) if kind[1:] else self.finish(command)

    def start(self, command):
        output = tempfile.TemporaryFile("w+", encoding="utf-8")
        process = subprocess.Popen([*self.network, *map(str, command)], stdout=output,
                                   stderr=subprocess.STDOUT, env=self.environment,
                                   cwd=self.folder / "home", start_new_session=True)
        self.outputs.append(output)
        return process, output

    def finish(self, command):
        process, output = self.start(command)
        try:
            code = process.wait(RUN_SECS)
        except subprocess.TimeoutExpired:
            end(process)
            raise Failure(f"not done after {RUN_SECS} s:\n{said(output)}") from None
        if code != 0:
            raise Failure(f"exit code {code}:\n{said(output)}")

    def stay(self, command):
        process, output = self.start(command)
        self.running.append(process)
        time.sleep(SETTLE_SECS)
        if process.poll() is not None:
            raise Failure(f"ended with exit code {process.returncode}:\n{said(output)}")

    def prints(self, body):
        """One of the blocks has printed, or will soon, these lines in this order, among others."""
        deadline = time.monotonic() + RUN_SECS
        while not any(follow(body, said(output)) for output in self.outputs):
            if time.monotonic() > deadline:
                printed = "\n--\n".join(said(output)[-1000:] for output in self.outputs)
                raise Failure(f"this is not printed, but:\n{printed}")
            time.sleep(0.1)

    def taken(self, body):
        (self.folder / "home" / "block.toml").write_text(body, encoding="utf-8")
        command = ["ternmq", "start", "--config", "block.toml", "--data-dir",
                   str(self.folder / "taken")]
        network = self.network
        self.network = [*network, "unshare", "-n"]
        try:
            process, output = self.start(command)
        finally:
            self.network = network
        deadline = time.monotonic() + RUN_SECS
        while "listening" not in said(output):
            if process.poll() is not None or time.monotonic() > deadline:
                end(process)
                raise Failure(f"the broker does not take it:\n{said(output)}")
            time.sleep(0.1)
        end(process)

    def close(self):
        """What still ran; whatever ended before was to stay."""
        ended = [process.args for process in self.running if process.poll() is not None]
        for process in reversed(self.running):
            end(process)
        return ended


def follow(lines, text):
    """Whether these lines are in the text, in this order."""
    printed = iter([line.rstrip() for line in text.splitlines()])
    return all(line.rstrip() in printed for line in lines.splitlines())


def said(output):
    output.seek(0)
    return output.read()


def end(process):
    """As Ctrl-C does, with all it started."""
    for how in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(5)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def network():
    """A command that runs another in a network of its own, where only loopback is."""
    up = "ip link set lo up && exec \"$@\""
    for options in (["-n"], ["-r", "-n"]):
        command = ["unshare", *options, "sh", "-c", up, "sh"]
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return options
    sys.exit("no network of one's own: run this as root")


def prepare(work, documents):
    """The python of an environment with everything that the documents install."""
    home = work / "docs"
    python, stamp = home / "bin" / "python", home / "has"
    lines = {line for path in documents for kind, body in FENCE.findall(path.read_text("utf-8"))
             if kind.startswith("sh") for line in body.splitlines()
             if line.startswith("pip install")}
    wanted = "\n".join(sorted(lines))
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        for line in sorted(lines):
            arguments = shlex.split(line, comments=True)[1:]
            done = subprocess.run([python, "-m", "pip", *arguments, "--quiet"], cwd=ROOT,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{line}: {done.stdout}{done.stderr}")
        stamp.write_text(wanted)
    return python


def papers():
    """What there is to run."""
    found = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/*/*.md")]
    return sorted(path for path in found
                  if any(kind for kind, _ in FENCE.findall(path.read_text("utf-8"))))


def told(path, binary, python, options):
    """How many blocks of a document ran, and what failed."""
    with tempfile.TemporaryDirectory(prefix="ternmq-docs-") as place:
        folder = pathlib.Path(place)
        (folder / "bin").mkdir()
        (folder / "bin" / "ternmq").symlink_to(binary.resolve())
        (folder / "bin" / "cargo").write_text(CARGO)
        (folder / "bin" / "cargo").chmod(0o755)
        # One network for all of a document's blocks: this process holds it.
        holder = subprocess.Popen(["unshare", *options, "sh", "-c",
                                   "ip link set lo up && echo up && exec sleep 600"],
                                  stdout=subprocess.PIPE, text=True)
        holder.stdout.readline()
        enter = ["nsenter", "-t", str(holder.pid), "-n"]
        enter += ["-U", "--preserve-credentials"] if "-r" in options else []
        document = Document(path, folder, python, enter)
        failures = []
        try:
            document.run()
        except Failure as why:
            failures.append(str(why))
        finally:
            failures += [f"{path.name}: {command} did not stay" for command in document.close()]
            holder.kill()
            holder.wait()
        return document.count, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="the broker's binary")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "clients",
                        help="where the environment is kept (default: target/clients)")
    parser.add_argument("documents", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    documents = [path.resolve() for path in args.documents] or papers()
    python, options = prepare(args.work.resolve(), documents), network()
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        outcomes = list(pool.map(lambda path: told(path, args.bin, python, options), documents))
    blocks = sum(ran for ran, _ in outcomes)
    failures = [why for _, some in outcomes for why in some]
    for path, (ran, _) in zip(documents, outcomes):
        print(f"{path.relative_to(ROOT)}: {ran} blocks")
    for failure in failures:
        print(failure)
    print(f"{blocks} blocks of {len(documents)} documents, {len(failures)} failed")
    sys.exit(1 if failures or not blocks else 0)


if __name__ == "__main__":
    main()
