"""How a row of the table is written."""

import dataclasses

TEXT, HTML, BYTES = "text/plain", "text/html", None
ADMIN = "Bearer {admin}"
# The API key that an earlier row made.
KEYED = "Basic {key}:{secret}"
# Answers of what is not offered.
NOT_OFFERED = (404, 501)

FORM = b'--cut\r\nContent-Disposition: form-data; name="filename"; filename="%s"\r\n\r\n%s\r\n--cut--\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=cut"}
LARGE = "x" * (1 << 20)
JUNK, HUGE = "{", 2 ** 63


@dataclasses.dataclass
class Row:
    method: str
    # Names in braces stand for what earlier rows kept.
    path: str
    # One status, or those of which one must come.
    status: int | tuple
    # What comes back: a shape, or the code of an error; nothing at all if it is None.
    wants: object = None
    # JSON, or a function of what was kept.
    body: object = None
    # A body that is no JSON, or a function that makes it.
    raw: object = None
    headers: dict = dataclasses.field(default_factory=dict)
    # Whose Authorization is sent; "" for nobody's.
    who: str = ADMIN
    # Names for parts of the answer: {"name": "data.0.topic"}; "" is all of it.
    keep: dict = dataclasses.field(default_factory=dict)
    # What must stand in this field of the rows that came, in any order: ("clientid", {"a", "b"}).
    only: tuple | None = None
    # The same for more than these.
    among: tuple | None = None
    # Names and values of headers that must come back; a value of None is any.
    sends: dict = dataclasses.field(default_factory=dict)
    # The media type, where it is not JSON.
    kind: str = "application/json"
    # Seconds in which it must come true.
    within: float = 0
    # Whether the OpenAPI document has it.
    listed: bool = True
    # How often it is sent, with the body a function of the number.
    times: int = 1
    # What must happen first: a method of Traffic.
    after: str | None = None


def row(call, status, wants=None, **rest):
    method, path = call.split(" ", 1)
    rest.setdefault("listed", status != NOT_OFFERED)
    return Row(method, path, status, wants, **rest)


def pages(path):
    """What every paged list says to a page or limit that is none."""
    wrong = ("page=0", "page=-1", "page=x", "limit=0", "limit=-1", "limit=10001", f"limit={HUGE}",
             f"limit={2 * HUGE}", f"page={2 * HUGE}")
    far = row(f"GET {path}?page={HUGE - 1}&limit=10000", 200, {"data": [dict, ...]})
    return [far] + [row(f"GET {path}?{query}", 400, "INVALID_PARAMETER") for query in wrong]


def unreadable(call, **rest):
    """What every call with a body says to one that is no JSON, or of another kind."""
    json = {"Content-Type": "application/json"}
    return [row(call, 400, "BAD_REQUEST", raw=JUNK.encode(), headers=json, **rest),
            row(call, 415, "UNSUPPORTED_MEDIA_TYPE", raw=b"{}",
                headers={"Content-Type": "text/csv"}, **rest)]
