"""The table: a row for each call of EMQX 5's API that tools rely on, with what it takes, each status
it answers, and each field of the answer. Rows are run from the top; later ones rely on earlier ones.
"""

import base64

import keys
from access import AUTHENTICATION, AUTHORIZATION
from broker import PASSWORD
from records import *
from rows import BYTES, FORM, HTML, KEYED, LARGE, MULTIPART, NOT_OFFERED, TEXT, pages, row, unreadable
from shape import ABSENT, base64_text, digits, json_text, page, time

SECOND_PASSWORD, THIRD_PASSWORD = "quiet-harbour-8", "green-lantern-9"


GROUND = [
    row("GET /nothing/here", 404, "NOT_FOUND", listed=False),
    row("GET //nothing/here", 404, "NOT_FOUND", listed=False),
    row("GET //nothing/here", 404, str, headers={"Accept": "text/html"}, kind=HTML, listed=False),
    row("GET /clients", 401, "AUTHORIZATION_HEADER_ERROR", who="", sends={"WWW-Authenticate": None}),
    row("GET /clients", 401, "AUTHORIZATION_HEADER_ERROR", who="odd"),
    row("GET /clients", 401, "BAD_TOKEN", who="Bearer odd"),
    row("GET /clients", 401, "BAD_API_KEY_OR_SECRET", who="Basic b2RkOm9kZA=="),
    row("GET /error_codes", 200, [ERROR_CODE], who="", among=("code", set(keys.ERROR_CODES))),
    row("GET /error_codes/BAD_TOPIC", 200, ERROR_CODE, who=""),
    row("GET /error_codes/NO_SUCH_CODE", 404, "NOT_FOUND", who=""),
    row("GET //api-docs/index.html", 200, str, who="", kind=HTML, listed=False),
]

USERS = [
    row("POST /login", 200, SIGNED_IN, body={"username": "admin", "password": PASSWORD}, who=""),
    row("POST /login", 401, "BAD_USERNAME_OR_PWD", body={"username": "admin", "password": "wrong"}, who=""),
    row("POST /login", 401, "BAD_USERNAME_OR_PWD", body={"username": "nobody", "password": "x"}, who=""),
    row("POST /login", 400, "BAD_REQUEST", body={"username": "admin"}, who=""),
    *unreadable("POST /login", who=""),
    row("GET /users", 200, [USER], only=("username", {"admin"})),
    row("POST /users", 200, USER,
        body={"username": "second", "password": SECOND_PASSWORD, "description": "d", "role": "administrator"}),
    row("POST /users", 400, "BAD_REQUEST",
        body={"username": "second", "password": SECOND_PASSWORD, "description": ""}),
    row("POST /users", 400, "BAD_REQUEST", body={"username": "no/name", "password": SECOND_PASSWORD}),
    row("POST /users", 400, "BAD_REQUEST", body={"username": "third", "password": "weak"}),
    *unreadable("POST /users"),
    row("PUT /users/second", 200, USER, body={"description": "another"}),
    row("PUT /users/nobody", 404, "USER_NOT_FOUND", body={"description": ""}),
    row("POST /login", 200, SIGNED_IN, body={"username": "second", "password": SECOND_PASSWORD}, who="",
        keep={"second": "token"}),
    row("POST /users/second/change_pwd", 400, "ERROR_PWD_NOT_MATCH", who="Bearer {second}",
        body={"old_pwd": "wrong-one-1", "new_pwd": THIRD_PASSWORD}),
    row("POST /users/second/change_pwd", 400, "BAD_REQUEST", who="Bearer {second}",
        body={"old_pwd": SECOND_PASSWORD, "new_pwd": "weak"}),
    row("POST /users/nobody/change_pwd", 404, "USER_NOT_FOUND",
        body={"old_pwd": SECOND_PASSWORD, "new_pwd": THIRD_PASSWORD}),
    # As 5.0.11 has it.
    row("PUT /users/second/change_pwd", 204, who="Bearer {second}",
        body={"old_pwd": SECOND_PASSWORD, "new_pwd": THIRD_PASSWORD}),
    row("GET /clients", 401, "BAD_TOKEN", who="Bearer {second}"),
    row("POST /login", 200, SIGNED_IN, body={"username": "second", "password": THIRD_PASSWORD}, who="",
        keep={"second": "token"}),
    row("POST /users/second/change_pwd", 204, who="Bearer {second}",
        body={"old_pwd": THIRD_PASSWORD, "new_pwd": SECOND_PASSWORD}),
    row("POST /login", 200, SIGNED_IN, body={"username": "second", "password": SECOND_PASSWORD}, who="",
        keep={"second": "token"}),
    row("DELETE /users/second", 400, "NOT_ALLOWED", who="Bearer {second}"),
    row("DELETE /users/admin", 400, "NOT_ALLOWED", who="Bearer {second}"),
    row("POST /logout", 401, "WRONG_TOKEN_OR_USERNAME", who="Bearer {second}", body={"username": "admin"}),
    row("POST /logout", 204, who="Bearer {second}", body={"username": "second"}),
    row("GET /clients", 401, "BAD_TOKEN", who="Bearer {second}"),
    row("DELETE /users/second", 204),
    row("DELETE /users/second", 404, "USER_NOT_FOUND"),
    row("GET /status", 200, str, who="", kind=TEXT, sends={"Retry-After": "15"}),
    row("GET //status", 200, str, who="", kind=TEXT, sends={"Retry-After": "15"}),
    row("GET /status?format=json", 200, who="",
        wants={"broker_status": "started", "app_status": "running", "rel_vsn": ABSENT}),
    row("GET /status?format=json", 200,
        {"broker_status": "started", "app_status": "running", "node_name": str, "rel_vsn": str}),
]

NODES = [
    row("GET /nodes", 200, [NODE], only=("node", {"{node}"})),
    row("GET /nodes/{node}", 200, NODE),
    row("GET /nodes/other@host", 404, "NOT_FOUND"),
    row("GET /nodes/{node}/stats", 200, STATS_TOTAL),
    row("GET /nodes/other@host/stats", 404, "NOT_FOUND"),
    row("GET /nodes/{node}/metrics", 200, METRICS_TOTAL),
    row("GET /nodes/other@host/metrics", 404, "NOT_FOUND"),
    row("GET /stats", 200, [STATS_TOTAL | OF_NODE]),
    row("GET /stats?aggregate=false", 200, [STATS_TOTAL | OF_NODE]),
    row("GET /stats?aggregate=true", 200, STATS_ALL),
    row("GET /stats?aggregate=odd", 400, NO_SUCH_VALUE),
    row("GET /metrics", 200, [METRICS_TOTAL | OF_NODE]),
    row("GET /metrics?aggregate=true", 200, METRICS_TOTAL),
    row("GET /metrics?aggregate=odd", 400, NO_SUCH_VALUE),
    row("GET /monitor_current", 200, CURRENT),
    row("GET /monitor_current/nodes/{node}", 200, CURRENT | {"node_uptime": int}),
    row("GET /monitor_current/nodes/other@host", 404, "NOT_FOUND"),
    row("GET /cluster", 200, {"name": str, "self": str, "nodes": [str]}),
    row("GET /cluster/topology", 200, [dict]),
    row("PUT /cluster/other@host/invite", NOT_OFFERED, REFUSED),
    row("PUT /cluster/other@host/invite_async", NOT_OFFERED, REFUSED),
    row("DELETE /cluster/other@host/force_leave", NOT_OFFERED, REFUSED),
    row("GET /cluster/invitation", NOT_OFFERED, REFUSED),
]

# Its samples take ten seconds to come.
MONITOR = [
    row("GET /monitor", 200, [SAMPLE], within=25),
    row("GET /monitor?latest=3600", 200, [SAMPLE]),
    row("GET /monitor?latest=odd", 400, NO_SUCH_VALUE),
    row("GET /monitor/nodes/{node}", 200, [SAMPLE]),
    row("GET /monitor/nodes/{node}?latest=3600", 200, [SAMPLE]),
    row("GET /monitor/nodes/other@host", 404, "NOT_FOUND"),
    row("DELETE /monitor", 204),
]

FOUR = {"reader", "writer", "away", "slow"}


def clients(query, *names, of=CLIENT, **rest):
    count = not any(word.startswith("like_") for word in query.split("&"))
    return row(f"GET /clients?{query}", 200, page([of, ...], count), only=("clientid", set(names)), **rest)


CLIENT_LISTS = [
    row("GET /clients", 200, CLIENTS, among=("clientid", FOUR)),
    row("GET /clients?page=2&limit=1", 200, {"data": [CLIENT], "meta": {"page": 2, "limit": 1,
                                                                        "count": int, "hasnext": bool}}),
    clients("node={node}&clientid=reader", "reader"),
    clients("clientid=reader&clientid=writer", "reader", "writer"),
    clients("clientid=nobody"),
    clients("username=u-reader", "reader"),
    clients("username=u-reader&username=u-slow", "reader", "slow"),
    row("GET /clients?ip_address=127.0.0.1", 200, CLIENTS, among=("clientid", FOUR - {"away"})),
    clients("ip_address=127.9.9.9"),
    clients("conn_state=connected", *(FOUR - {"away"})),
    clients("conn_state=disconnected", "away", of=CLIENT | {"disconnected_at": time}),
    clients("conn_state=idle"),
    clients("clean_start=false", "away", "slow"),
    clients("clean_start=true&proto_ver=5", "reader"),
    clients("proto_ver=4", "writer"),
    clients("anonymous=true", *FOUR),
    clients("anonymous=false"),
    clients("like_clientid=eade", "reader"),
    clients("like_username=-rea", "reader"),
    clients("like_username=-rea&conn_state=disconnected"),
    *(clients(f"{which}_{what}=2099-01-01T00:00:00.000%2B08:00", *names)
      for what, states in (("created_at", FOUR), ("connected_at", FOUR))
      for which, names in (("gte", ()), ("lte", states))),
    clients("gte_created_at=1000000000000", *FOUR),
    clients("lte_connected_at=1000000000000"),
    clients("fields=clientid,username&clientid=reader", "reader",
            of={"clientid": str, "username": str, "node": ABSENT, "recv_msg": ABSENT}),
    *pages("/clients"),
    *(row(f"GET /clients?{query}", 400, "INVALID_PARAMETER")
      for query in ("conn_state=odd", "clean_start=odd", "anonymous=odd", "proto_ver=odd", "gte_created_at=odd",
                    "lte_connected_at=odd", "ip_address=odd", "node=other@host")),
]

CLIENT_CALLS = [
    row("GET /clients/reader", 200, CLIENT),
    row("GET /clients/away", 200, CLIENT | {"disconnected_at": time, "connected": bool}),
    row("GET /clients/nobody", 404, "CLIENTID_NOT_FOUND"),
    row("GET /clients/reader/authorization/cache", 200, [CACHED, ...]),
    row("DELETE /clients/reader/authorization/cache", 204),
    row("GET /clients/nobody/authorization/cache", 404, "CLIENTID_NOT_FOUND"),
    row("DELETE /clients/nobody/authorization/cache", 404, "CLIENTID_NOT_FOUND"),
    row("GET /clients/reader/subscriptions", 200, [SUBSCRIPTION],
        only=("topic", {"t/#", "$share/g/s/+"})),
    row("GET /clients/writer/subscriptions", 200, [SUBSCRIPTION, ...], only=("topic", set())),
    row("GET /clients/nobody/subscriptions", 404, "CLIENTID_NOT_FOUND"),
    row("POST /clients/reader/subscribe", 200, SUBSCRIPTION,
        body={"topic": "x/#", "qos": 1, "nl": 0, "rap": 1, "rh": 2}),
    row("POST /clients/nobody/subscribe", 404, "CLIENTID_NOT_FOUND", body={"topic": "x/#"}),
    row("POST /clients/reader/subscribe", 400, "INVALID_PARAMETER",
        body={"topic": "$share/g/x", "qos": 1, "nl": 1}),
    row("POST /clients/reader/subscribe", 400, REFUSED, body={"topic": "x/#/y"}),
    row("POST /clients/reader/subscribe", 400, "BAD_REQUEST", body={"topic": "x", "qos": 3}),
    *unreadable("POST /clients/reader/subscribe"),
    row("POST /clients/reader/subscribe/bulk", 200, [SUBSCRIPTION], only=("topic", {"y/1", "y/2"}),
        body=[{"topic": "y/1", "qos": 0}, {"topic": "y/2", "qos": 2}]),
    row("POST /clients/nobody/subscribe/bulk", 404, "CLIENTID_NOT_FOUND", body=[{"topic": "y", "qos": 0}]),
    row("POST /clients/reader/unsubscribe", 204, body={"topic": "x/#"}),
    row("POST /clients/nobody/unsubscribe", 404, "CLIENTID_NOT_FOUND", body={"topic": "x/#"}),
    row("POST /clients/reader/unsubscribe/bulk", 204, body=[{"topic": "y/1"}, {"topic": "y/2"}]),
    row("POST /clients/nobody/unsubscribe/bulk", 404, "CLIENTID_NOT_FOUND", body=[{"topic": "y/1"}]),
    row("GET /clients/reader/subscriptions", 200, [SUBSCRIPTION],
        only=("topic", {"t/#", "$share/g/s/+"})),
    row("PUT /clients/reader/keepalive", 200, CLIENT, body={"interval": 120}),
    row("PUT /clients/nobody/keepalive", 404, "CLIENTID_NOT_FOUND", body={"interval": 120}),
    row("PUT /clients/reader/keepalive", 400, "BAD_REQUEST", body={"interval": -1}),
    row("GET /clients/slow/mqueue_messages?limit=1", 200, cursor(QUEUED), keep={"position": "meta.position"}),
    row("GET /clients/slow/mqueue_messages?limit=100&position={position}&payload=base64", 200,
        cursor(QUEUED, "end_of_data")),
    row("GET /clients/slow/mqueue_messages?payload=none&position=none", 200,
        cursor(QUEUED | {"payload": ABSENT})),
    row("GET /clients/slow/mqueue_messages?payload=plain&max_payload_bytes=1KB", 200,
        cursor(QUEUED | {"payload": "heavy"})),
    row("GET /clients/slow/inflight_messages?payload=base64&max_payload_bytes=1MB", 200, cursor(UNDERWAY)),
    row("GET /clients/slow/inflight_messages?payload=none&limit=10", 200,
        cursor(UNDERWAY | {"payload": ABSENT})),
    *(row(f"GET /clients/slow/{what}_messages?{query}", 400, REFUSED)
      for what in ("mqueue", "inflight")
      for query in ("payload=odd", "limit=0", "limit=odd", "position=odd", "max_payload_bytes=odd")),
    row("GET /clients/nobody/mqueue_messages", 404, "CLIENTID_NOT_FOUND"),
    row("GET /clients/nobody/inflight_messages", 404, "CLIENTID_NOT_FOUND"),
    row("GET /sessions_count", 200, digits),
    row("GET /sessions_count?since=1000000000", 200, digits),
    row("GET /sessions_count?since=odd", 400, NO_SUCH_VALUE),
    row("DELETE /clients/kicked", 204, after="connect_victims"),
    row("GET /clients/kicked", 404, "CLIENTID_NOT_FOUND"),
    row("DELETE /clients/nobody", 404, "CLIENTID_NOT_FOUND"),
    row("POST /clients/kickout/bulk", 204, body=["kicked-1", "kicked-2", "nobody"]),
    clients("like_clientid=kicked"),
    *unreadable("POST /clients/kickout/bulk"),
]


def subscriptions(query, *topics):
    return row(f"GET /subscriptions?{query}", 200, page([SUBSCRIPTION, ...]), only=("topic", set(topics)))


SUBSCRIPTIONS = [
    row("GET /subscriptions", 200, page(SUBSCRIPTION),
        only=("topic", {"t/#", "$share/g/s/+", "away/#", "slow/#"})),
    row("GET /subscriptions?page=2&limit=1", 200, page(SUBSCRIPTION)),
    subscriptions("node={node}&clientid=slow", "slow/#"),
    subscriptions("clientid=reader", "t/#", "$share/g/s/+"),
    subscriptions("qos=2", "$share/g/s/+"),
    subscriptions("topic=t/%23", "t/#"),
    subscriptions("topic=t/1"),
    # Those that would get a message for it, and those that it would match.
    subscriptions("match_topic=t/1", "t/#"),
    subscriptions("match_topic=t/%2B", "t/#"),
    subscriptions("match_topic=%23", "t/#", "$share/g/s/+", "away/#", "slow/#"),
    subscriptions("share_group=g", "$share/g/s/+"),
    subscriptions("durable=true", "away/#", "slow/#"),
    subscriptions("durable=false", "t/#", "$share/g/s/+"),
    row("GET /subscriptions?match_topic=t/%23/x", 400, REFUSED),
    row("GET /subscriptions?qos=3", 400, REFUSED),
    row("GET /subscriptions?durable=odd", 400, REFUSED),
    row("GET /subscriptions?node=other@host", 400, REFUSED),
    *pages("/subscriptions"),
    row("GET /topics", 200, page(TOPIC), among=("topic", {"t/#", "away/#", "slow/#"})),
    row("GET /topics?topic=t/%23&node={node}", 200, page(TOPIC), only=("topic", {"t/#"})),
    row("GET /topics?page=2&limit=1", 200, page(TOPIC)),
    *pages("/topics"),
    row("GET /topics/t%2F%23", 200, [TOPIC], only=("topic", {"t/#"})),
    row("GET /topics/t%2F1", 404, "TOPIC_NOT_FOUND"),
]

MESSAGE = {"topic": "t/1", "payload": "hi", "qos": 1, "retain": False, "payload_encoding": "plain",
           "clientid": "ignored",
           "properties": {"payload_format_indicator": 1, "message_expiry_interval": 60,
                          "response_topic": "t/2", "correlation_data": "c", "content_type": "text/plain",
                          "user_properties": {"a": "b"}}}
PUBLISH = [
    row("POST /publish", 200, PUBLISHED, body=MESSAGE),
    row("POST /publish", 200, PUBLISHED, body={"topic": "t/1", "payload": "aGk=", "payload_encoding": "base64"}),
    row("POST /publish", 202, UNHEARD, body={"topic": "unheard", "payload": ""}),
    row("POST /publish", 400, BAD_TOPIC, body={"topic": "t/#", "payload": ""}),
    row("POST /publish", 400, BAD_TOPIC, body={"topic": "", "payload": ""}),
    row("POST /publish", 400, TOO_LARGE, body={"topic": "t/1", "payload": LARGE}),
    *(row("POST /publish", 400, UNREADABLE, body=message) for message in (
        {"payload": ""}, {"topic": "t/1"}, {"topic": "t/1", "payload": "", "qos": 3},
        {"topic": "t/1", "payload": "*", "payload_encoding": "base64"},
        {"topic": "t/1", "payload": "", "payload_encoding": "odd"})),
    *unreadable("POST /publish"),
    row("POST /publish/bulk", 200, [PUBLISHED], body=[MESSAGE, {"topic": "t/2", "payload": ""}]),
    row("POST /publish/bulk", 202, [(PUBLISHED, UNHEARD)], body=[MESSAGE, {"topic": "unheard", "payload": ""}]),
    row("POST /publish/bulk", 400, BAD_TOPIC, body=[MESSAGE, {"topic": "t/+", "payload": ""}]),
    *unreadable("POST /publish/bulk"),
]

RETAINED_MESSAGES = [
    row("GET /mqtt/retainer", 200, RETAINER, keep={"retainer": ""}),
    row("PUT /mqtt/retainer", 200, RETAINER, body=lambda kept: kept["retainer"]),
    row("PUT /mqtt/retainer", 400, "UPDATE_FAILED",
        body=lambda kept: kept["retainer"] | {"max_payload_size": "odd"}),
    *unreadable("PUT /mqtt/retainer"),
    row("GET /mqtt/retainer/messages", 200, page(RETAINED | {"payload": ABSENT}),
        only=("topic", {"kept/1", "kept/2", "kept/2/3"})),
    row("GET /mqtt/retainer/messages?page=2&limit=2", 200, page(RETAINED)),
    row("GET /mqtt/retainer/messages?topic=kept/%2B", 200, page(RETAINED, count=False),
        only=("topic", {"kept/1", "kept/2"})),
    *pages("/mqtt/retainer/messages"),
    row("GET /mqtt/retainer/message/kept%2F1", 200, RETAINED | {"payload": base64.b64encode(b"one").decode()}),
    row("GET /mqtt/retainer/message/nothing", 404, "NOT_FOUND"),
    row("DELETE /mqtt/retainer/message/kept%2F1", 204),
    row("DELETE /mqtt/retainer/message/kept%2F1", 404, "NOT_FOUND"),
    row("DELETE /mqtt/retainer/message/kept%2F2%2F%23", 204),
    row("GET /mqtt/retainer/messages", 200, page([RETAINED, ...]), only=("topic", set())),
    row("POST /publish", (200, 202), {}, body={"topic": "kept/4", "payload": "", "retain": True}),
    row("POST /publish", (200, 202), {}, body={"topic": "kept/4", "payload": "four", "retain": True}),
    row("GET /mqtt/retainer/messages?held_back=true", 200, page([RETAINED, ...], count=False), only=("topic", set())),
    row("GET /mqtt/retainer/messages?held_back=odd", 400, REFUSED),
    row("GET /mqtt/retainer/held_back", 200, {"count": int}),
    row("DELETE /mqtt/retainer/held_back", 200, {"count": int}),
    row("DELETE /mqtt/retainer/messages", 204),
    row("GET /mqtt/retainer/messages", 200, page([RETAINED, ...]), only=("topic", set())),
]


def rewrites(count):
    return [{"action": "publish", "source_topic": f"x{n}/#", "dest_topic": "z/y/$1", "re": "^x/y/(.+)$"}
            for n in range(count)]


def auto_subscriptions(count):
    return [{"topic": f"c{n}/${{clientid}}/in", "qos": 1, "rh": 0, "rap": 0, "nl": 0} for n in range(count)]


DELAYED_AND_POLICY = [
    row("GET /mqtt/delayed", 200, {"enable": bool, "max_delayed_messages": int}),
    row("PUT /mqtt/delayed", 200, {"enable": bool, "max_delayed_messages": int},
        body={"enable": True, "max_delayed_messages": 1000}),
    row("PUT /mqtt/delayed", 400, REFUSED,
        body={"enable": "odd", "max_delayed_messages": 1000}),
    *unreadable("PUT /mqtt/delayed"),
    row("GET /mqtt/delayed/messages", 200, page(DELAYED), only=("topic", {"later/1", "later/2", "later/3"}),
        keep={"msgid": "data.0.msgid"}),
    row("GET /mqtt/delayed/messages?page=2&limit=1", 200, page(DELAYED)),
    *pages("/mqtt/delayed/messages"),
    row("GET /mqtt/delayed/messages/{node}/{msgid}", 200, DELAYED | {"payload": (base64_text, "PAYLOAD_TOO_LARGE")}),
    row("GET /mqtt/delayed/messages/{node}/odd", 400, "MESSAGE_ID_SCHEMA_ERROR"),
    row("GET /mqtt/delayed/messages/other@host/{msgid}", 400, "INVALID_NODE"),
    row("GET /mqtt/delayed/messages/{node}/00000000000000000000000000000000", 404, "MESSAGE_ID_NOT_FOUND"),
    row("DELETE /mqtt/delayed/messages/{node}/odd", 400, "MESSAGE_ID_SCHEMA_ERROR"),
    row("DELETE /mqtt/delayed/messages/{node}/{msgid}", 204),
    row("DELETE /mqtt/delayed/messages/{node}/{msgid}", 404, "MESSAGE_ID_NOT_FOUND"),
    row("GET /mqtt/delayed/messages", 200, page(DELAYED), keep={"left": "data.0.topic"}),
    row("DELETE /mqtt/delayed/messages/{left}", 204),
    row("GET /mqtt/delayed/messages", 200, page(DELAYED)),
    row("PUT /mqtt/topic_rewrite", 200, [REWRITE], body=rewrites(20)),
    row("GET /mqtt/topic_rewrite", 200, [REWRITE], only=("source_topic", {f"x{n}/#" for n in range(20)})),
    row("PUT /mqtt/topic_rewrite", 413, "EXCEED_LIMIT", body=rewrites(21)),
    row("PUT /mqtt/topic_rewrite", 400, REFUSED, body=[rewrites(1)[0] | {"re": "("}]),
    row("PUT /mqtt/topic_rewrite", 200, [REWRITE, ...], body=[]),
    *unreadable("PUT /mqtt/topic_rewrite"),
    row("PUT /mqtt/auto_subscribe", 200, [AUTO_SUBSCRIBE], body=auto_subscriptions(20)),
    row("GET /mqtt/auto_subscribe", 200, [AUTO_SUBSCRIBE],
        only=("topic", {f"c{n}/${{{{clientid}}}}/in" for n in range(20)})),
    row("PUT /mqtt/auto_subscribe", 409, "EXCEED_LIMIT", body=auto_subscriptions(21)),
    row("PUT /mqtt/auto_subscribe", 400, REFUSED, body=[{"topic": "x/#/y"}]),
    row("PUT /mqtt/auto_subscribe", 200, [AUTO_SUBSCRIBE, ...], body=[]),
    *unreadable("PUT /mqtt/auto_subscribe"),
]

MEASURES = [
    row("POST /mqtt/topic_metrics", 200, TOPIC_METRICS, body={"topic": "t/1"}),
    row("POST /mqtt/topic_metrics", 400, "BAD_REQUEST", body={"topic": "t/1"}),
    row("POST /mqtt/topic_metrics", 400, "BAD_TOPIC", body={"topic": "t/#"}),
    *unreadable("POST /mqtt/topic_metrics"),
    row("GET /mqtt/topic_metrics", 200, [TOPIC_METRICS], only=("topic", {"t/1"})),
    row("GET /mqtt/topic_metrics/t%2F1", 200, TOPIC_METRICS),
    row("GET /mqtt/topic_metrics/t%2F9", 404, "TOPIC_NOT_FOUND"),
    row("PUT /mqtt/topic_metrics", 200, (TOPIC_METRICS, [TOPIC_METRICS]), body={"action": "reset", "topic": "t/1"}),
    row("PUT /mqtt/topic_metrics", 200, (TOPIC_METRICS, [TOPIC_METRICS]), body={"action": "reset"}),
    row("PUT /mqtt/topic_metrics", 404, "TOPIC_NOT_FOUND", body={"action": "reset", "topic": "t/9"}),
    row("PUT /mqtt/topic_metrics", 400, "BAD_REQUEST", body={"action": "odd"}),
    row("POST /mqtt/topic_metrics", 200, TOPIC_METRICS, times=511, body=lambda n: {"topic": f"m/{n}"}),
    row("POST /mqtt/topic_metrics", 409, "EXCEED_LIMIT", body={"topic": "m/last"}),
    row("DELETE /mqtt/topic_metrics/t%2F1", 204),
    row("DELETE /mqtt/topic_metrics/t%2F1", 404, "TOPIC_NOT_FOUND"),
    row("GET /slow_subscriptions/settings", 200, SLOW_SETTINGS),
    row("PUT /slow_subscriptions/settings", 200, SLOW_SETTINGS, body={
        "enable": True, "threshold": "10ms", "expire_interval": "300s", "top_k_num": 10, "stats_type": "whole"}),
    row("PUT /slow_subscriptions/settings", 400, REFUSED, body={
        "enable": True, "threshold": "odd", "expire_interval": "300s", "top_k_num": 10, "stats_type": "whole"}),
    *unreadable("PUT /slow_subscriptions/settings"),
    row("GET /slow_subscriptions", 200, page(SLOW), after="acknowledge_late", within=25,
        only=("clientid", {"late"})),
    row("DELETE /slow_subscriptions", 204),
    row("GET /slow_subscriptions", 200, page([SLOW, ...]), only=("clientid", set())),
    row("PUT /slow_subscriptions/settings", 200, SLOW_SETTINGS, body={
        "enable": False, "threshold": "500ms", "expire_interval": "300s", "top_k_num": 10, "stats_type": "whole"}),
]


def bans(query, *who, **rest):
    return row(f"GET /banned?{query}", 200, page([BAN, ...]), only=("who", set(who)), **rest)


BANNED = [
    row("POST /banned", 200, BAN, body={"as": "clientid", "who": "bad-1"}),
    row("POST /banned", 200, BAN, body={"as": "username", "who": "bad-2", "by": "me", "reason": "because",
                                        "at": 1_700_000_000, "until": "2099-01-01T00:00:00+08:00"}),
    row("POST /banned", 200, BAN, body={"as": "peerhost", "who": "192.0.2.9", "until": "infinity"}),
    row("POST /banned", 200, BAN, body={"as": "clientid_re", "who": "^bad-x"}),
    row("POST /banned", 200, BAN, body={"as": "username_re", "who": "^bad-y"}),
    row("POST /banned", 200, BAN, body={"as": "peerhost_net", "who": "198.51.100.0/24"}),
    # Its message is the ban that is there.
    row("POST /banned", 400, {"code": "ALREADY_EXISTS", "message": json_text}, body={"as": "clientid", "who": "bad-1"}),
    row("POST /banned", 400, "BAD_REQUEST", body={"as": "odd", "who": "bad-3"}),
    row("POST /banned", 400, "BAD_REQUEST", body={"as": "peerhost", "who": "nowhere"}),
    row("POST /banned", 400, "BAD_REQUEST", body={"as": "clientid"}),
    *unreadable("POST /banned"),
    bans("limit=10", "bad-1", "bad-2", "192.0.2.9", "^bad-x", "^bad-y", "198.51.100.0/24"),
    bans("clientid=bad-1", "bad-1"),
    bans("username=bad-2", "bad-2"),
    bans("peerhost=192.0.2.9", "192.0.2.9"),
    row("GET /banned?like_clientid=ad-1", 200, {"data": [BAN], "meta": dict}, only=("who", {"bad-1"})),
    row("GET /banned?like_username=ad-2", 200, {"data": [BAN], "meta": dict}, only=("who", {"bad-2"})),
    row("GET /banned?like_peerhost=192.0", 200, {"data": [BAN], "meta": dict}, only=("who", {"192.0.2.9"})),
    *pages("/banned"),
    row("DELETE /banned/clientid/bad-1", 204),
    row("DELETE /banned/clientid/bad-1", 404, "NOT_FOUND"),
    row("DELETE /banned", 204),
    bans("limit=10"),
]

def extra(**changes):
    """A listener on a port that was free a moment ago."""
    return lambda kept: {"type": "tcp", "name": "extra", "bind": f"127.0.0.1:{kept['free_port']}",
                         "enable": True, "max_connections": 100} | changes


LISTENERS = [
    row("GET /listeners", 200, [LISTENER], among=("id", {"tcp:default", "ws:default"})),
    row("GET /listeners?type=tcp", 200, [LISTENER], only=("id", {"tcp:default"})),
    row("GET /listeners?type=odd", 400, NO_SUCH_VALUE),
    row("GET /listeners_status", 200, [LISTENERS_STATUS], among=("type", {"tcp", "ws"})),
    row("GET /listeners/tcp:default", 200, LISTENER_CONFIG),
    row("GET /listeners/ssl:default", 200, LISTENER_CONFIG),
    row("GET /certificate", 200, bytes, kind="application/x-pem-file"),
    row("GET /listeners/tcp:none", 404, "BAD_LISTENER_ID"),
    row("GET /listeners/odd", 400, "BAD_LISTENER_ID"),
    row("POST /listeners", 200, LISTENER_CONFIG, body=extra()),
    row("POST /listeners", 400, REFUSED, body=extra()),
    row("POST /listeners", 400, REFUSED, body=extra(type="odd")),
    *unreadable("POST /listeners"),
    row("PUT /listeners/tcp:extra", 200, LISTENER_CONFIG, body=extra(max_connections=50)),
    row("PUT /listeners/tcp:extra", 200, LISTENER_CONFIG,
        body=extra(proxy_protocol=True, proxy_networks=["203.0.113.0/24"])),
    row("PUT /listeners/tcp:extra", 400, REFUSED, body=extra(proxy_networks=["odd"])),
    row("PUT /listeners/tcp:extra", 400, REFUSED, body=extra(forwarded_for=True)),
    row("PUT /listeners/tcp:none", 404, "BAD_LISTENER_ID", body=extra(name="none")),
    row("PUT /listeners/tcp:extra", 400, REFUSED, body=extra(bind="odd")),
    *(row(f"POST /listeners/tcp:extra/{what}", 200) for what in ("stop", "start", "restart")),
    *(row(f"POST /listeners/tcp:none/{what}", 404, "BAD_LISTENER_ID") for what in ("stop", "start", "restart")),
    row("DELETE /listeners/tcp:extra", 204),
    row("DELETE /listeners/tcp:extra", 404, "BAD_LISTENER_ID"),
]

HOCON = {"Content-Type": "text/plain"}
CONFIGS = [
    row("GET /configs", 200, str, headers={"Accept": "text/plain"}, kind=TEXT),
    row("GET /configs?key=mqtt", 200, str, headers={"Accept": "text/plain"}, kind=TEXT),
    row("GET /configs?key=odd", (400, 404), REFUSED, headers={"Accept": "text/plain"}),
    row("GET /configs", 200, dict),
    row("PUT /configs?mode=merge", 200, None, raw=b"mqtt.max_topic_levels = 100", headers=HOCON),
    row("PUT /configs?mode=merge", 400, REFUSED, raw=b"mqtt.max_topic_levels = odd", headers=HOCON),
    row("GET /configs/global_zone", 200, ZONE | {"mqtt": ZONE["mqtt"] | {"max_topic_levels": int}},
        keep={"zone": ""}),
    row("PUT /configs/global_zone", 200, ZONE, body=lambda kept: kept["zone"]),
    row("PUT /configs/global_zone", 400, "UPDATE_FAILED",
        body=lambda kept: kept["zone"] | {"mqtt": kept["zone"]["mqtt"] | {"max_topic_levels": "odd"}}),
    *unreadable("PUT /configs/global_zone"),
    *(made for root in ("log", "dashboard", "alarm", "sysmon", "broker") for made in (
        row(f"GET /configs/{root}", 200, dict, keep={root: ""}),
        row(f"PUT /configs/{root}", 200, dict, body=lambda kept, root=root: kept[root]))),
    row("GET /configs/sys_topics", 200, SYS_TOPICS, keep={"sys_topics": ""}),
    row("PUT /configs/sys_topics", 200, SYS_TOPICS, body=lambda kept: kept["sys_topics"]),
    row("PUT /configs/sys_topics", 400, "UPDATE_FAILED", body={"sys_msg_interval": "odd"}),
    row("GET /configs/odd", 404, "NOT_FOUND"),
    row("POST /configs_reset/mqtt", 200),
    row("POST /configs_reset/odd", (400, 404), REFUSED),
    row("GET /schemas/hotconf", 200, dict),
]

API_KEYS = [
    row("POST /api_key", 200, API_KEY_MADE, body={"name": "ci", "desc": "", "enable": True},
        keep={"key": "api_key", "secret": "api_secret"}),
    row("POST /api_key", 200, API_KEY_MADE | {"expired_at": time},
        body={"name": "timed", "desc": "d", "enable": True, "expired_at": "2099-01-01T00:00:00+08:00"}),
    row("POST /api_key", 400, REFUSED, body={"name": "ci", "desc": "", "enable": True}),
    row("POST /api_key", 400, REFUSED, body={"name": "1/odd", "desc": "", "enable": True}),
    *unreadable("POST /api_key"),
    row("GET /api_key", 200, [API_KEY | {"api_secret?": "******"}], only=("name", {"ci", "timed"})),
    row("GET /api_key/ci", 200, API_KEY | {"api_secret?": "******"}),
    row("GET /api_key/none", 404, "NOT_FOUND"),
    row("GET /clients", 200, page(dict), who=KEYED),
    *(row(f"GET /{what}", 401, "API_KEY_NOT_ALLOW", who=KEYED) for what in ("users", "api_key")),
    row("POST /logout", 401, "API_KEY_NOT_ALLOW", who=KEYED, body={"username": "admin"}),
    row("PUT /api_key/ci", 200, API_KEY, body={"desc": "off", "enable": False}),
    row("GET /clients", 401, "BAD_API_KEY_OR_SECRET", who=KEYED),
    row("PUT /api_key/none", 404, "NOT_FOUND", body={"desc": "", "enable": True}),
    row("DELETE /api_key/ci", 204),
    row("DELETE /api_key/ci", 404, "NOT_FOUND"),
    row("POST /api_key", 200, API_KEY_MADE, times=99, body=lambda n: {"name": f"k{n}", "desc": "", "enable": True}),
    row("POST /api_key", 400, REFUSED, body={"name": "last", "desc": "", "enable": True}),
]

NEW_TRACE = {"name": "tr1", "type": "clientid", "clientid": "reader", "payload_encode": "text", "formatter": "text"}
OPERATION = [
    row("GET /alarms", 200, page([ALARM, ...])),
    row("GET /alarms?activated=true", 200, page([ALARM, ...])),
    row("GET /alarms?activated=false", 200, page([ALARM | {"deactivate_at": time}, ...])),
    row("GET /alarms?activated=odd", 400, REFUSED),
    *pages("/alarms"),
    row("DELETE /alarms", 204),
    row("POST /trace", 200, TRACE | {"clientid": "reader"}, body=NEW_TRACE),
    row("POST /trace", 409, "ALREADY_EXISTS", body=NEW_TRACE),
    row("POST /trace", 409, "DUPLICATE_CONDITION", body=NEW_TRACE | {"name": "tr2"}),
    row("POST /trace", 400, "INVALID_PARAMS", body=NEW_TRACE | {"name": "tr2", "type": "topic"}),
    row("POST /trace", 200, TRACE | {"topic": "t/#"}, body={"name": "tr3", "type": "topic", "topic": "t/#"}),
    row("POST /trace", 200, TRACE | {"ip_address": "127.0.0.1"},
        body={"name": "tr4", "type": "ip_address", "ip_address": "127.0.0.1"}),
    *unreadable("POST /trace"),
    row("GET /trace", 200, [TRACE], only=("name", {"tr1", "tr3", "tr4"})),
    row("GET /trace/tr1/log?bytes=1000&position=0&node={node}", 200, TRACE_LOG, after="say_something", within=10),
    row("GET /trace/none/log", 404, "NOT_FOUND"),
    row("GET /trace/tr1/log_detail", 200, [TRACE_FILE]),
    row("GET /trace/none/log_detail", 404, "NOT_FOUND"),
    row("GET /trace/tr1/download", 200, bytes, kind="application/zip"),
    row("GET /trace/none/download", 404, "NOT_FOUND"),
    row("PUT /trace/tr1/stop", 200, {"name": "tr1", "enable": bool}),
    row("PUT /trace/none/stop", 404, "NOT_FOUND"),
    row("DELETE /trace/tr1", 204),
    row("DELETE /trace/tr1", 404, "NOT_FOUND"),
    row("DELETE /trace", 204),
    row("GET /trace", 200, [TRACE, ...], only=("name", set())),
    row("POST /data/export", 200, BACKUP, keep={"backup": "filename"}),
    row("GET /data/files", 200, {"data": [BACKUP], "meta": dict}, among=("filename", {"{backup}"})),
    row("GET /data/files/{backup}", 200, bytes, kind=BYTES, keep={"archive": ""}),
    row("GET /data/files/{backup}?node={node}", 200, bytes, kind=BYTES),
    row("GET /data/files/none.tar.gz", 404, "NOT_FOUND"),
    row("POST /data/import", 204, body=lambda kept: {"filename": kept["backup"]}),
    row("POST /data/import", (400, 404), REFUSED, body={"filename": "none.tar.gz"}),
    *unreadable("POST /data/import"),
    row("DELETE /data/files/{backup}", 204),
    row("DELETE /data/files/{backup}", 404, "NOT_FOUND"),
    row("POST /data/files", 204, headers=MULTIPART,
        raw=lambda kept: FORM % (kept["backup"].encode(), kept["archive"])),
    row("GET /data/files", 200, {"data": [BACKUP], "meta": dict}, among=("filename", {"{backup}"})),
    row("POST /data/files", 400, REFUSED, headers=MULTIPART, raw=FORM % (b"x.tar.gz", b"junk")),
]


def families(names):
    """Each metric is named: by a sample or, where there is none, by its type."""
    def named(text):
        found = {line.split(" ")[2] if line[0] == "#" else line.split("{")[0].split(" ")[0]
                 for line in text.splitlines() if line}
        named.__name__ = f"text with {sorted(set(names) - found)}"
        return set(names) <= found
    return named


PROMETHEUS_ROWS = [
    row("GET /prometheus", 200, PROMETHEUS, keep={"prometheus": ""}),
    row("PUT /prometheus", 200, PROMETHEUS, body=lambda kept: kept["prometheus"]),
    *unreadable("PUT /prometheus"),
    *(row(f"GET /prometheus/{what}", 200, families(names), who="", kind=TEXT, headers={"Accept": "*/*"})
      for what, names in (("stats", keys.PROMETHEUS_GAUGES + keys.PROMETHEUS_COUNTERS),
                          ("auth", keys.PROMETHEUS_AUTH), ("data_integration", keys.PROMETHEUS_DATA))),
    *(row(f"GET /prometheus/{what}", 200, dict, who="") for what in ("stats", "auth", "data_integration")),
    *(row(f"GET /prometheus/stats?mode={mode}", 200, families(keys.PROMETHEUS_COUNTERS), who="", kind=TEXT,
          headers={"Accept": "text/plain"})
      for mode in ("node", "all_nodes_aggregated", "all_nodes_unaggregated")),
    row("GET /prometheus/stats?mode=odd", 400, REFUSED, who=""),
]


LATER = [
    row(f"GET /{path}", NOT_OFFERED, REFUSED)
    for path in ("opentelemetry", "telemetry/status", "telemetry/data", "exhooks", "plugins", "gateways",
                 "statsd")
]

# Title, its rows; the first number is that of the chapter of the notes on EMQX's API.
TABLE = {
    "1 ground rules": GROUND,
    "2 sign-in, users, status": USERS,
    "3 nodes, statistics": NODES,
    "4 client lists": CLIENT_LISTS,
    "4 clients": CLIENT_CALLS,
    "4 subscriptions, topics": SUBSCRIPTIONS,
    "5 publish": PUBLISH,
    "6 retained": RETAINED_MESSAGES,
    "6 delayed, rewrite, auto-subscribe": DELAYED_AND_POLICY,
    "6 topic metrics, slow subscriptions": MEASURES,
    "7 bans": BANNED,
    "7 authentication": AUTHENTICATION,
    "7 authorization": AUTHORIZATION,
    "9 listeners": LISTENERS,
    "9 configuration": CONFIGS,
    "9 API keys": API_KEYS,
    "9 alarms, trace, backups": OPERATION,
    "10 Prometheus": PROMETHEUS_ROWS,
    "not offered": LATER,
    "3 history": MONITOR,
}
