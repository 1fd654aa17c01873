"""schemathesis over the served OpenAPI document, as administrator: no server error, and no answer that
the document does not have, neither its status nor its type nor its fields.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

from broker import Api

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_schema_conformance", "response_headers_conformance")
# They may sign the administrator out, take the account or its role. They are looked at last.
ENDING = ["POST /api/v5/logout", "PUT /api/v5/users/{username}", "DELETE /api/v5/users/{username}",
          "PUT /api/v5/users/{username}/change_pwd", "POST /api/v5/users/{username}/change_pwd"]
# Connections that stay open are no answers that could be checked.
STREAMS = re.compile(r"/mqtt|.*/live")


def run(broker, document_path, seconds, seed):
    admin = broker.signed_in()
    document = Api(broker.http).call("GET", document_path)
    if document.status != 200:
        return [f"no document: {document.status}"]
    names = [f"{method.upper()} {path}" for path, operations in document.body["paths"].items()
             for method in operations]
    streams = [name for name in names if STREAMS.fullmatch(name.split(" ")[1])]
    print(f"{len(names)} calls; not looked at: {', '.join(streams)}")

    def look(flag, some, seconds):
        command = [pathlib.Path(sys.executable).with_name("schemathesis"), "--no-color", "run",
                   f"http://127.0.0.1:{broker.http}{document_path[1:]}",
                   "--header", f"Authorization: {admin.authorization}",
                   "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
                   "--max-time", str(seconds), "--seed", str(seed), "--workers", "2",
                   "--generation-database", "none", "--request-timeout", "20",
                   "--suppress-health-check", "all", "--warnings", "off", "--max-examples", "200"]
        for name in some:
            command += [flag, name]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True,
                                  timeout=seconds * 2 + 120)
        told = re.search(r"(\d+) generated.*", done.stdout)
        print(f"{len(names) - len(some) if 'exclude' in flag else len(some)} calls: "
              f"{told[0] if told else 'nothing'}, seed {seed}", flush=True)
        return [] if done.returncode == 0 and told else [done.stdout + done.stderr]

    failures = look("--exclude-name", streams + ENDING, seconds)
    # Or it looked at refusals only.
    still = admin.call("POST", "/publish", {"topic": "still", "payload": ""})
    if still.status not in (200, 202):
        failures.append(f"the administrator is none any more: {still.status} {still.body}")
    # Making the first cases takes seconds where there is much else to do.
    return failures + look("--include-name", ENDING, max(20, seconds // 20))
