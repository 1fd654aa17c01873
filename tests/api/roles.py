"""Who may call what, of everything that the OpenAPI document lists: nobody without a token but what
is public, and a viewer nothing that changes something.
"""

import base64
import os
import re
import subprocess

from broker import ADMIN, BASE, PASSWORD, Api, quote

METHODS = ("get", "put", "post", "delete", "patch")
# With what stands behind them. Static files are no part of the document.
PUBLIC = re.compile(r"(/api/v5)?/status|/api/v5/(login|error_codes(/.*)?)|/api-docs(/.*)?")
# Open to loopback and private addresses in the profile that is the default.
NEAR = re.compile(r"/api/v5/(prometheus/.+|certificate)")
# What somebody may do with their own account, page and MQTT client, whatever their role; and what only
# asks, with a body.
OWN = {("post", "/api/v5/live/{id}"), ("post", "/api/v5/mqtt_ticket"), ("post", "/api/v5/authorization/check"),
       ("post", "/api/v5/logout"), ("post", "/api/v5/users/{username}/change_pwd"),
       ("put", "/api/v5/users/{username}/change_pwd")}
# More than a token lives, and less than it is remembered to say why it is refused.
LATER_SECS = 90 * 60
# Makes it later for one program: nothing in the broker knows of this.
CLOCK = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += {LATER_SECS};
    return failed;
}}
"""
VIEWER, VIEWER_PASSWORD = "looker", "silent-window-3"


def run(broker, document_path):
    admin = broker.signed_in()
    made = admin.call("POST", "/users", {"username": VIEWER, "password": VIEWER_PASSWORD,
                                         "description": "", "role": "viewer"})
    failures = [] if made.status == 200 else [f"no viewer could be made: {made.status} {made.body}"]
    key = admin.call("POST", "/api_key", {"name": "looker", "desc": "", "enable": True, "role": "viewer"})
    if key.status != 200:
        failures.append(f"no key of a viewer could be made: {key.status} {key.body}")
    document = Api(broker.http).call("GET", document_path)
    if document.status != 200 or failures:
        return failures or [f"no document: {document.status}"]
    expired = Api(broker.http)
    expired.sign_in(VIEWER, VIEWER_PASSWORD)
    broker.restart(LD_PRELOAD=late_clock(broker.folder.name))
    expired = Api(broker.http, expired.authorization)
    told = expired.call("GET", "/clients")
    if (told.status, told.body.get("code")) != (401, "TOKEN_TIME_OUT"):
        failures.append(f"with an expired token: {told.status} {told.body}, wanted 401 TOKEN_TIME_OUT")
    viewer, ended = Api(broker.http), Api(broker.http)
    viewer.sign_in(VIEWER, VIEWER_PASSWORD)
    ended.sign_in(VIEWER, VIEWER_PASSWORD)
    ended.call("POST", "/logout", {"username": VIEWER})
    pair = f"{key.body['api_key']}:{key.body['api_secret']}"
    callers = {"without a token": (Api(broker.http), {401}),
               "with a wrong token": (Api(broker.http, "Bearer " + "A" * 43), {401}),
               "with an expired token": (expired, {401}),
               "with a token that ended": (ended, {401}),
               "with a password": (Api(broker.http, basic(f"{ADMIN}:{PASSWORD}")), {401}),
               "as a viewer": (viewer, {403}),
               "with a viewer's key": (Api(broker.http, basic(pair)), {401, 403})}
    count = 0
    for path, operations in document.body["paths"].items():
        for method in operations.keys() & METHODS:
            count += 1
            for caller, (api, refused) in callers.items():
                # A viewer has what only looks, and its own account.
                looks = method == "get" or (method, path) in OWN
                may = bool(PUBLIC.fullmatch(path)) or (bool(NEAR.fullmatch(path)) and method == "get")
                if "viewer" in caller and looks and not may:
                    continue
                answer = api.call(method.upper(), "/" + filled(path), {} if method != "get" else None)
                if may and answer.status in (401, 403) and not path.endswith("/login"):
                    failures.append(f"{method} {path} {caller}: {answer.status}, but it is public")
                if not may and answer.status not in refused:
                    failures.append(f"{method} {path} {caller}: {answer.status}, wanted {sorted(refused)}")
    print(f"{count} calls, {len(callers)} callers")
    looking = viewer.call("GET", "/clients")
    if looking.status != 200:
        failures.append(f"a viewer cannot look at clients: {looking.status}")
    return failures


def late_clock(folder):
    """A library before the system's own. Who can build the broker has a compiler for this, too."""
    library = os.path.join(folder, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=CLOCK, text=True, check=True)
    return library


def basic(pair):
    return "Basic " + base64.b64encode(pair.encode()).decode()


def filled(path):
    """A name for each variable; the administrator's, which would be the worst to lose."""
    return re.sub(r"\{[^{}]*\}", quote("admin"), path)
