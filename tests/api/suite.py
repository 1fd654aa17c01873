"""The REST API over HTTP, with MQTT behind it: other people's tools must find what they rely on.

    python3 tests/api/suite.py --bin target/debug/ternmq [--part table,roles,names,schema] [--seconds N]

    table   each call of EMQX's API: what it takes, each status, each field's name and type
    roles   each call without a token, with a wrong one, and with a viewer's
    names   odd client ids, user names and topics, opened, kicked, banned and deleted one by one
    schema  schemathesis over our OpenAPI document, for N seconds

Fetches what it needs into --work by pip. Each part has a broker of its own.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = ["paho-mqtt==2.1.0", "schemathesis==4.32.5"]
PARTS = ["table", "roles", "names", "schema"]
# Where the broker tells what it serves.
DOCUMENT = "//api-docs/swagger.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="the broker's binary")
    parser.add_argument("--part", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="how long schemathesis may look")
    parser.add_argument("--seed", type=int, default=1, help="where schemathesis begins")
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / "target" / "clients" / "api",
                        help="where fetched packages are kept (default: target/clients/api)")
    args = parser.parse_args()
    python = fetched(args.work.resolve())
    if pathlib.Path(sys.prefix) != args.work.resolve():
        os.execv(python, [python, __file__, *sys.argv[1:]])
    failures = []
    for part in args.part.split(","):
        begun = time.monotonic()
        failed = PART[part](args)
        print(f"== {part}: {len(failed)} failures, {time.monotonic() - begun:.0f} s", flush=True)
        failures += [f"{part}: {why}" for why in failed]
    for failure in failures:
        print(failure)
    sys.exit(1 if failures else 0)


def fetched(work):
    """The python of an environment that has what is required."""
    stamp, python = work / "has", work / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != "\n".join(REQUIREMENTS):
        work.parent.mkdir(parents=True, exist_ok=True)
        venv.create(work, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        *REQUIREMENTS], check=True)
        stamp.write_text("\n".join(REQUIREMENTS))
    return python


def calmly(args, part, *settings):
    """Runs a part on a broker of its own, which must be well afterwards."""
    from broker import Broker
    with Broker(args.bin, *settings) as broker:
        failed = part(broker)
        return failed + [broker.calm()] if broker.calm() else failed


def table(args):
    import check
    from table import TABLE

    def part(broker):
        failures, rows, calls = check.run(broker, TABLE, DOCUMENT)
        print(f"{rows} rows, {len(calls)} calls")
        return failures
    return calmly(args, part)


def roles(args):
    import roles
    return calmly(args, lambda broker: roles.run(broker, DOCUMENT))


def names(args):
    import names
    return calmly(args, names.run)


def schema(args):
    import schema
    return calmly(args, lambda broker: schema.run(broker, DOCUMENT, args.seconds, args.seed))


PART = {"table": table, "roles": roles, "names": names, "schema": schema}

if __name__ == "__main__":
    main()
