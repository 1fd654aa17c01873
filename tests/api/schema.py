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
# They would end the test itself: signed out, without an account, or with nothing to talk to.
# All of them are rows of the table.
ENDING = {"POST /api/v5/logout", "PUT /api/v5/users/{username}/change_pwd",
          "POST /api/v5/users/{username}/change_pwd", "DELETE /api/v5/users/{username}"}
# Connections that stay open are no answers that could be checked.
STREAMS = re.compile(r"/mqtt|.*/(feed|live|events|stream)")


def run(broker, document_path, seconds, seed):
    admin = broker.signed_in()
    document = Api(broker.http).call("GET", document_path)
    if document.status != 200:
        return [f"no document: {document.status}"]
    left_out = [f"{method.upper()} {path}" for path, operations in document.body["paths"].items()
                for method in operations
                if f"{method.upper()} {path}" in ENDING or STREAMS.fullmatch(path)]
    with tempfile.TemporaryDirectory() as folder:
        command = [pathlib.Path(sys.executable).with_name("schemathesis"), "--no-color", "run",
                   f"http://127.0.0.1:{broker.http}{document_path[1:]}",
                   "--header", f"Authorization: {admin.authorization}",
                   "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
                   "--max-time", str(seconds), "--seed", str(seed), "--workers", "2",
                   "--generation-database", "none", "--request-timeout", "20",
                   "--suppress-health-check", "all", "--warnings", "off", "--max-examples", "200"]
        for name in left_out:
            command += ["--exclude-name", name]
        done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True,
                              timeout=seconds * 2 + 120)
    # Or it looked at refusals only.
    still = admin.call("POST", "/publish", {"topic": "still", "payload": ""})
    print(f"{len(left_out)} calls left out: {', '.join(sorted(left_out))}")
    print(done.stdout.split("SUMMARY", 1)[-1].strip("= \n"))
    failures = [] if done.returncode == 0 else [done.stdout + done.stderr]
    if still.status not in (200, 202):
        failures.append(f"the administrator is none any more: {still.status} {still.body}")
    return failures
