"""What JSON should look like, as Python values.

int, str, bool, float (any number) and None are JSON's types; a text or a number is itself; a tuple is one of
these; `{"name": X, "other?": Y}` an object that may have more; `[X]` an array that is not empty,
`[X, ...]` one that may be; `Map(X)` an object of names that are not fixed; `ABSENT` a field that must
not be there. A function is asked whether it likes the value, and named for what it wants.
"""

import base64
import collections
import json
import re

ABSENT = object()
Map = collections.namedtuple("Map", "of")
NAMES = {int: "int", str: "string", bool: "bool", float: "number", None: "null", dict: "object",
         list: "array"}


def faults(value, shape, where="$"):
    """Why the value is not of this shape: nothing if it is."""
    if isinstance(shape, Map) and isinstance(value, dict):
        return [f for key, inner in value.items() for f in faults(inner, shape.of, f"{where}.{key}")]
    if isinstance(shape, tuple):
        each = [faults(value, one, where) for one in shape]
        return [] if [] in each else [f"{where}: {told(value)}, wanted {described(shape)}"]
    if isinstance(shape, dict) and isinstance(value, dict):
        return [fault for key, inner in shape.items() for fault in field(value, key, inner, where)]
    if isinstance(shape, list) and isinstance(value, list):
        if not value and ... not in shape:
            return [f"{where}: an empty array"]
        return [f for n, inner in enumerate(value) for f in faults(inner, shape[0], f"{where}[{n}]")]
    return [] if fits(value, shape) else [f"{where}: {told(value)}, wanted {described(shape)}"]


def field(value, key, shape, where):
    name = key.removesuffix("?")
    if shape is ABSENT:
        return [f"{where}: has {name}"] if name in value else []
    if name not in value:
        return [] if key.endswith("?") else [f"{where}: no {name}"]
    return faults(value[name], shape, f"{where}.{name}")


def fits(value, shape):
    if shape is None or isinstance(shape, (str, int)) and not isinstance(shape, type):
        return type(value) is type(shape) and value == shape
    if shape is float:
        return type(value) in (int, float)
    if isinstance(shape, type):
        return type(value) is shape
    if callable(shape) and not isinstance(shape, Map):
        return shape(value)
    return False


def told(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else f"{text[:200]}... ({len(text)} characters)"


def described(shape):
    if isinstance(shape, tuple):
        return " or ".join(map(described, shape))
    if isinstance(shape, (str, int)):
        return json.dumps(shape)
    if isinstance(shape, (dict, Map)):
        return "object"
    if isinstance(shape, list):
        return "array"
    return NAMES.get(shape) or shape.__name__


def pattern(name, expression):
    """A text in a known notation."""
    compiled = re.compile(expression)
    check = lambda value: type(value) is str and compiled.fullmatch(value) is not None
    check.__name__ = name
    return check


time = pattern("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
duration = pattern("duration", r"(\d+(ms|s|m|h|d|w))+")
size = pattern("size", r"\d+(\.\d+)?(B|KB|MB|GB|K|M|G|T)?")
rate = pattern("rate", r"\d+/\d*(s|m|h)")
digits = pattern("digits", r"\d+")
hexes = pattern("hex", r"[0-9A-Fa-f]+")


def base64_text(value):
    try:
        return type(value) is str and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False


def json_text(value):
    try:
        return isinstance(json.loads(value), dict)
    except (TypeError, ValueError):
        return False


def page(of, count=True):
    """A page of a list, with the number of all rows or without it."""
    meta = {"page": int, "limit": int, "hasnext": bool, "count": int if count else ABSENT}
    return {"data": of if isinstance(of, list) else [of], "meta": meta}
