"""Runs the table: sends each row, and says of each what was wrong."""

import base64
import re
import socket
import time

from broker import BASE, Api, quote
from rows import BYTES, KEYED
from shape import faults, told
from traffic import Traffic


NODE = "ternmq@127.0.0.1"


class Served:
    """What the broker's own OpenAPI document says that it answers."""

    def __init__(self, document):
        self.operations = []
        for path, methods in document["paths"].items():
            expression = re.sub(r"\\\{[^{}]*\\\}", "[^/]+", re.escape(path))
            for method, operation in methods.items():
                statuses = {int(status) for status in operation["responses"] if status.isdigit()}
                # What has fewer names in its path is meant first.
                self.operations.append((path.count("{"), method.upper(), re.compile(expression), path, statuses))
        self.operations.sort(key=lambda operation: operation[0])

    def find(self, method, path):
        """The operation's path and statuses."""
        full = path[1:] if path.startswith("//") else BASE + path
        for _, verb, expression, template, statuses in self.operations:
            if verb == method and expression.fullmatch(full.split("?")[0]):
                return template, statuses
        return None, None


def run(broker, table, document_path):
    """The failures, the rows and the calls that were made."""
    api = broker.signed_in()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {"admin": api.authorization.removeprefix("Bearer "), "free_port": port, "node": NODE}
    document = Api(broker.http).call("GET", document_path)
    served = Served(document.body if document.status == 200 else {"paths": {}})
    failures = [] if served.operations else [f"no OpenAPI document at {document_path[1:]}"]
    count, calls = 0, set()
    traffic = Traffic(broker)
    try:
        for title, rows in table.items():
            begun, failed = time.monotonic(), 0
            for row in rows:
                why = checked(api, row, kept, traffic, served)
                calls.add((row.method, served.find(row.method, row.path)[0] or row.path.split("?")[0]))
                failed += bool(why)
                failures += [f"{title}: {row.method} {row.path}: {fault}" for fault in why]
            count += len(rows)
            took = time.monotonic() - begun
            print(f"{title:<40} {len(rows) - failed:>4} of {len(rows):>4} rows pass  {took:5.1f} s", flush=True)
    finally:
        traffic.close()
    return failures, count, calls


def checked(api, row, kept, traffic, served):
    """Why this row fails, in no more than a few lines."""
    until = time.monotonic() + row.within
    try:
        if row.after:
            getattr(traffic, row.after)()
        while True:
            why = once(api, row, kept, served)
            if not why or time.monotonic() > until:
                return why[:4]
            time.sleep(0.1)
    except (KeyError, IndexError, TypeError) as missing:
        return [f"an earlier row gave no {missing}"]
    except Exception as error:  # noqa: BLE001 - the next row may still tell something
        return [f"{type(error).__name__}: {error}"]


def once(api, row, kept, served):
    path = row.path.format_map({name: quote(value) for name, value in kept.items() if isinstance(value, str)})
    who = row.who.format_map(kept)
    if row.who == KEYED:
        who = "Basic " + base64.b64encode(who.removeprefix("Basic ").encode()).decode()
    api.authorization = who or None
    raw = row.raw(kept) if callable(row.raw) else row.raw
    for n in range(row.times):
        body = row.body(n if row.times > 1 else kept) if callable(row.body) else row.body
        answer = api.call(row.method, path, body, row.headers, raw)
        why = wrong(answer, row, kept)
        if why:
            return why
    _, statuses = served.find(row.method, path)
    if row.listed and served.operations and statuses is None:
        return ["the OpenAPI document has no such call"]
    if statuses is not None and answer.status not in statuses:
        return [f"the OpenAPI document has no {answer.status} for it"]
    for name, way in row.keep.items():
        kept[name] = at(answer.body, way)
    return []


def wrong(answer, row, kept):
    allowed = row.status if isinstance(row.status, tuple) else (row.status,)
    if answer.status not in allowed:
        return [f"{answer.status} {told_briefly(answer.body)}, wanted {' or '.join(map(str, allowed))}"]
    why = []
    if row.wants is None:
        if answer.status == 204 and answer.body:
            why.append(f"a body: {told_briefly(answer.body)}")
        return why
    kind = answer.headers.get_content_type()
    if row.kind is not BYTES and kind != row.kind:
        why.append(f"{kind}, wanted {row.kind}")
    shape = {"code": row.wants, "message": str} if isinstance(row.wants, str) else row.wants
    why += faults(answer.body, shape) if not isinstance(answer.body, bytes) else \
        [] if shape is bytes and answer.body else ["no content"]
    for name, value in row.sends.items():
        if answer.headers.get(name) is None or value not in (None, answer.headers[name]):
            why.append(f"header {name}: {answer.headers.get(name)}")
    for field, names, exactly in ((*(row.only or (None, set())), True), (*(row.among or (None, set())), False)):
        if field is None or why:
            continue
        rows = answer.body["data"] if isinstance(answer.body, dict) else answer.body
        found = [one[field] for one in rows]
        wanted = {name.format_map(kept) for name in names}
        if exactly and sorted(found) != sorted(wanted) or not wanted <= set(found):
            why.append(f"{field} is {told(sorted(set(found)))}, wanted {told(sorted(wanted))}")
    return why


def at(body, way):
    for word in way.split(".") if way else ():
        body = body[int(word)] if isinstance(body, list) else body[word]
    return body


def told_briefly(body):
    return body[:100] if isinstance(body, (str, bytes)) else told(body)
