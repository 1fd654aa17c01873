"""The package's tests on both generations of paho-mqtt, on the oldest and the newest Python.

    python3 clients/python/tests/suite.py --bin target/debug/ternmq [--long]

Each Python of PYTHONS that this machine has gets an environment for each paho-mqtt; where it has
none of them, the Python that runs this does. --long cuts the network for 30 s and needs root. Ends
with `N passed, N failed`.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PYTHONS = ["3.8", "3.13"]
PAHO = ["paho-mqtt==1.6.1", "paho-mqtt>=2,<3"]
# Environments are made and tests run side by side; what takes longest is waiting.
RUN_SECS, LONG_SECS = 120, 600


def pythons():
    """Version -> command: those of PYTHONS that can be had, else the one that runs this."""
    found = {}
    for version in PYTHONS:
        candidates = [shutil.which(f"python{version}")]
        pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
        candidates += sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
        for candidate in candidates:
            if candidate and runs(candidate, version):
                found[version] = str(candidate)
                break
    return found or {"%d.%d" % sys.version_info[:2]: sys.executable}


def runs(command, version):
    """Whether it is that Python: pyenv leaves commands that only say what is not installed."""
    ask = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([command, "-c", ask], capture_output=True, text=True)
    return done.stdout.strip() == version


def environment(work, version, command, requirement):
    """The python of an environment that has this paho-mqtt."""
    home = work / f"python{version}-{requirement.replace('<', '').replace('>', '').split(',')[0]}"
    python, stamp = home / "bin" / "python", home / "has"
    if not stamp.exists() or stamp.read_text() != requirement:
        shutil.rmtree(home, ignore_errors=True)
        quiet([command, "-m", "venv", home])
        quiet([python, "-m", "pip", "install", "--quiet", requirement])
        stamp.write_text(requirement)
    return python


def quiet(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}".strip())


def run(args, version, command, requirement):
    """(name, passed, failed, what it said)"""
    name = f"Python {version}, {requirement}"
    try:
        python = environment(args.work, version, command, requirement)
    except (OSError, RuntimeError) as why:
        return name, 0, 1, str(why)
    surroundings = dict(os.environ, TERNMQ_BIN=str(args.bin.resolve()),
                        PYTHONPATH=str(HERE.parent / "src"), PYTHONDONTWRITEBYTECODE="1",
                        LC_ALL="C.UTF-8")
    surroundings.pop("TERNMQ_LONG", None)
    if args.long:
        surroundings["TERNMQ_LONG"] = "1"
    tests = [python, "-m", "unittest", "discover", "-s", HERE]
    try:
        done = subprocess.run([*map(str, tests)], capture_output=True, text=True, env=surroundings,
                              timeout=LONG_SECS if args.long else RUN_SECS)
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        return name, 0, 1, f"not done after {late.timeout} s"
    ran = re.search(r"^Ran (\d+) tests?", said, re.M)
    kinds = "failures|errors|skipped" if args.long else "failures|errors"
    bad = sum(int(n) for n in re.findall(rf"(?:{kinds})=(\d+)", said))
    total = int(ran.group(1)) if ran else 0
    bad = bad or int(done.returncode != 0 or total == 0)
    return name, total - bad, bad, said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="the broker's binary")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "clients",
                        help="where environments are kept (default: target/clients)")
    parser.add_argument("--long", action="store_true", help="cuts of 30 s")
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    # A shell's background has it ignored, and a Python that begins so is not ended by Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started, found = time.monotonic(), pythons()
    for version in sorted(set(PYTHONS) - set(found)):
        print(f"Python {version} is not on this machine and not tested")
    cells = [(version, command, paho) for version, command in found.items() for paho in PAHO]
    with ThreadPoolExecutor(len(cells)) as pool:
        outcomes = list(pool.map(lambda cell: run(args, *cell), cells))
    for name, passed, failed, said in outcomes:
        print(f"{name:<32}{passed:>4} passed{failed:>4} failed")
        if failed:
            print(said)
        elif args.long:
            print("".join(f"    {line}\n" for line in said.splitlines() if "flows again" in line),
                  end="")
    print(f"took {time.monotonic() - started:.0f} s")
    passed, failed = (sum(outcome[at] for outcome in outcomes) for at in (1, 2))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
