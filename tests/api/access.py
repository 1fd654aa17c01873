"""The table's rows of access: who may do what, and who clients are."""

from records import *
from rows import FORM, MULTIPART, pages, row, unreadable
from shape import page

AUTHZ = "/authorization/sources"
RULES = f"{AUTHZ}/built_in_database/rules"
ALLOW_A = {"permission": "allow", "action": "publish", "topic": "a/${clientid}/#"}
DENY_B = {"permission": "deny", "action": "all", "topic": "eq b/+", "qos": [1, 2], "retain": True}
BAD_RULES = ({"topic": "a/#/b"}, {"topic": ""}, {"topic": "x/${host}"}, {"qos": [3]}, {"qos": []}, {"retain": "odd"},
             {"permission": "odd"}, {"action": "odd"}, {"topic": None})
ACL_CONF = '{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.\n{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.\n{allow, all}.\n'
ELSEWHERE = {"type": "http", "enable": False, "method": "post", "url": "http://127.0.0.1:1/may",
             "headers": {"content-type": "application/json"}, "body": {"topic": "${topic}", "action": "${action}"}}


def asked(result, by="rule", **question):
    """Whether somebody may do something, and what decided."""
    return row("POST /authorization/check", 200, {"result": result, "partly": bool, "by": by, "rule": str},
               body=question)


AUTHORIZATION = [
    row("GET /authorization/settings", 200, AUTHZ_SETTINGS),
    row("PUT /authorization/settings", 200, AUTHZ_SETTINGS, body={
        "no_match": "allow", "deny_action": "ignore",
        "cache": {"enable": True, "max_size": 32, "ttl": "1m", "excludes": []}}),
    row("PUT /authorization/settings", 200, AUTHZ_SETTINGS, body={"no_match": "allow", "deny_action": "ignore"}),
    row("PUT /authorization/settings", 400, "BAD_REQUEST", body={"no_match": "odd", "deny_action": "ignore"}),
    row("PUT /authorization/settings", 400, "BAD_REQUEST", body={"no_match": "deny"}),
    *unreadable("PUT /authorization/settings"),
    row("DELETE /authorization/cache", 204),
    row(f"GET {AUTHZ}", 200, {"sources": [{"type": str, "enable": bool, "max_rules": int}]}),
    row(f"POST {AUTHZ}", 409, "ALREADY_EXISTS", body={"type": "built_in_database", "enable": True}),
    row(f"POST {AUTHZ}", 400, "BAD_REQUEST", body={"type": "odd", "enable": True}),
    row(f"POST {AUTHZ}", 400, "BAD_REQUEST", body={"type": "file", "enable": True}),
    row(f"POST {AUTHZ}", 400, "BAD_REQUEST", body={"type": "file", "enable": True, "rules": "{allow, all"}),
    *unreadable(f"POST {AUTHZ}"),
    row(f"GET {AUTHZ}/file", 404, "NOT_FOUND"),
    row(f"PUT {AUTHZ}/file", 404, "NOT_FOUND", body={"type": "file", "rules": ACL_CONF}),
    row(f"POST {AUTHZ}", 204, body={"type": "file", "enable": True, "rules": ACL_CONF}),
    row(f"GET {AUTHZ}/file", 200, {"type": "file", "enable": bool, "rules": str}),
    row(f"GET {AUTHZ}/odd", 404, "NOT_FOUND"),
    row(f"PUT {AUTHZ}/file", 204, body={"type": "file", "enable": False, "rules": ACL_CONF}),
    row(f"PUT {AUTHZ}/file", 400, "BAD_REQUEST", body={"type": "file", "enable": True, "rules": ""}),
    row(f"PUT {AUTHZ}/file", 400, "BAD_REQUEST", body={"type": "built_in_database", "enable": True}),
    row(f"PUT {AUTHZ}/odd", 404, "NOT_FOUND", body={"type": "odd", "enable": True}),
    *unreadable(f"PUT {AUTHZ}/file"),
    row(f"GET {AUTHZ}/file/status", 200, {"status": "disconnected", "node_status": [dict], "node_error": [dict, ...]}),
    row(f"GET {AUTHZ}/odd/status", 404, "NOT_FOUND"),
    row(f"POST {AUTHZ}/file/move", 204, body={"position": "front"}),
    row(f"POST {AUTHZ}/file/move", 204, body={"position": "rear"}),
    row(f"POST {AUTHZ}/file/move", 204, body={"position": "before:built_in_database"}),
    row(f"POST {AUTHZ}/file/move", 204, body={"position": "after:built_in_database"}),
    row(f"POST {AUTHZ}/file/move", 400, "BAD_REQUEST", body={"position": "odd"}),
    row(f"POST {AUTHZ}/odd/move", 404, "NOT_FOUND", body={"position": "front"}),
    *unreadable(f"POST {AUTHZ}/file/move"),
    row(f"PUT {AUTHZ}/order", 204, body=[{"type": "built_in_database"}, {"type": "file"}]),
    row(f"PUT {AUTHZ}/order", 400, "BAD_REQUEST", body=[{"type": "file"}]),
    row(f"PUT {AUTHZ}/order", 400, "BAD_REQUEST", body=[{"type": "odd"}]),
    *unreadable(f"PUT {AUTHZ}/order"),
    row(f"DELETE {AUTHZ}/file", 204),
    row(f"DELETE {AUTHZ}/file", 404, "NOT_FOUND"),
    row(f"PUT {AUTHZ}/order", 404, "NOT_FOUND", body=[{"type": "built_in_database"}, {"type": "file"}]),
    row(f"GET {RULES}/all", 200, {"rules": [AUTHZ_RULE, ...]}),
    row(f"POST {RULES}/all", 204, body={"rules": [ALLOW_A, DENY_B]}),
    row(f"GET {RULES}/all", 200, {"rules": [AUTHZ_RULE]}),
    *(row(f"POST {RULES}/all", 400, "BAD_REQUEST", body={"rules": [ALLOW_A | bad]}) for bad in BAD_RULES),
    row(f"POST {RULES}/all", 409, "EXCEED_LIMIT", body={"rules": [ALLOW_A] * 101}),
    *unreadable(f"POST {RULES}/all"),
    row(f"DELETE {RULES}/all", 204),
    row(f"DELETE {RULES}/all", 204),
    *(line for kind, name in (("users", "username"), ("clients", "clientid")) for line in (
        row(f"POST {RULES}/{kind}", 204, body=[{name: "one", "rules": [ALLOW_A]}, {name: "two", "rules": [DENY_B]}]),
        row(f"POST {RULES}/{kind}", 409, "ALREADY_EXISTS", body=[{name: "one", "rules": []}]),
        row(f"POST {RULES}/{kind}", 409, "EXCEED_LIMIT", body=[{name: "three", "rules": [ALLOW_A] * 101}]),
        row(f"POST {RULES}/{kind}", 400, "BAD_REQUEST", body=[{name: "", "rules": []}]),
        row(f"POST {RULES}/{kind}", 400, "BAD_REQUEST", body={name: "three", "rules": []}),
        *unreadable(f"POST {RULES}/{kind}"),
        row(f"GET {RULES}/{kind}", 200, page([{name: str, "rules": [AUTHZ_RULE]}]), only=(name, {"one", "two"})),
        row(f"GET {RULES}/{kind}?like_{name}=tw", 200, page([{name: str, "rules": [AUTHZ_RULE]}]),
            only=(name, {"two"})),
        *pages(f"{RULES}/{kind}"),
        row(f"GET {RULES}/{kind}/one", 200, {name: "one", "rules": [AUTHZ_RULE]}),
        row(f"GET {RULES}/{kind}/three", 404, "NOT_FOUND"),
        row(f"PUT {RULES}/{kind}/one", 204, body={name: "one", "rules": [DENY_B]}),
        row(f"PUT {RULES}/{kind}/one", 400, "BAD_REQUEST", body={name: "one", "rules": [ALLOW_A | {"qos": [9]}]}),
        row(f"PUT {RULES}/{kind}/one", 409, "EXCEED_LIMIT", body={name: "one", "rules": [ALLOW_A] * 101}),
        *unreadable(f"PUT {RULES}/{kind}/one"),
        row(f"DELETE {RULES}/{kind}/one", 204),
        row(f"DELETE {RULES}/{kind}/one", 404, "NOT_FOUND"),
    )),
    asked("deny", username="two", action="subscribe", topic="b/+", qos=1),
    asked("allow", "no_match", username="two", action="subscribe", topic="b/+", qos=0),
    asked("deny", "system_topic", action="publish", topic="$SYS/x"),
    asked("deny", username="x", action="publish", topic="a", rules="user x\ntopic read a\n"),
    row("POST /authorization/check", 400, "BAD_REQUEST", body={"action": "publish", "topic": "a/#"}),
    row("POST /authorization/check", 400, "BAD_REQUEST", body={"action": "odd", "topic": "a"}),
    row("POST /authorization/check", 400, "BAD_REQUEST", body={"action": "publish", "topic": "a", "rules": "junk"}),
    *unreadable("POST /authorization/check"),
    row(f"POST {AUTHZ}", 204, body=ELSEWHERE),
    row(f"POST {AUTHZ}", 409, "ALREADY_EXISTS", body=ELSEWHERE),
    row(f"GET {AUTHZ}/http", 200, {"type": "http", "enable": False, "url": str, "pool_size": 8}),
    row(f"PUT {AUTHZ}/http", 204, body=ELSEWHERE | {"pool_size": 2}),
    row(f"PUT {AUTHZ}/http", 400, "BAD_REQUEST", body=ELSEWHERE | {"url": "http://127.0.0.1:1/${password}"}),
    row(f"GET {AUTHZ}/http/status", 200, {"status": "disconnected"}),
    row(f"DELETE {AUTHZ}/http", 204),
    row(f"DELETE {RULES}", 400, "BAD_REQUEST"),
    row(f"PUT {AUTHZ}/built_in_database", 204, body={"type": "built_in_database", "enable": False}),
    row(f"DELETE {RULES}", 204),
    row(f"PUT {AUTHZ}/built_in_database", 204, body={"type": "built_in_database", "enable": True}),
    row(f"GET {RULES}/users", 200, page([dict, ...]), only=("username", set())),
]

BUILT_IN = "/authentication/password_based:built_in_database"
SIMPLE = {"mechanism": "password_based", "backend": "built_in_database", "user_id_type": "username",
          "password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"}, "enable": True}
HMAC = {"mechanism": "jwt", "from": "password", "use_jwks": False, "algorithm": "hmac-based", "secret": "s" * 32,
        "verify_claims": [{"name": "username", "value": "${username}"}], "enable": True}

KEYS = {"use_jwks": True, "endpoint": "http://127.0.0.1:1/keys", "refresh_interval": 60}
SERVICE = {"mechanism": "password_based", "backend": "http", "method": "post", "url": "http://127.0.0.1:1/auth",
           "headers": {"content-type": "application/x-www-form-urlencoded"}, "body": {"username": "${username}"}}

TABLE = {"mechanism": "password_based", "server": "127.0.0.1:1", "username": "u", "password": "p",
         "password_hash_algorithm": {"name": "plain"}}
DATABASES = [("redis", {"cmd": "HMGET u:${username} password_hash", "database": 1}),
             ("postgresql", {"query": "SELECT password_hash FROM u WHERE n = ${username}", "database": "d"}),
             ("mysql", {"query": "SELECT password_hash FROM u WHERE n = ${username}", "database": "d"})]

LDAP = "/authentication/password_based:ldap"
DIRECTORY = {"mechanism": "password_based", "backend": "ldap", "server": "127.0.0.1:1", "username": "cn=u,dc=x",
             "password": "p", "base_dn": "dc=x", "filter": "(uid=${username})", "query_timeout": "3s",
             "method": {"type": "bind", "bind_password": "${password}"}}


def users_file(name, text):
    return FORM % (name.encode(), text.encode())


AUTHENTICATION = [
    row("GET /authentication", 200, [AUTHENTICATOR, ...], only=("id", set())),
    row("GET /authentication/password_based%3Abuilt_in_database", 404, "NOT_FOUND"),
    # Kept, because everybody else in this table comes without a name.
    row("POST /authentication?anonymous=keep", 200, AUTHENTICATOR | {"user_id_type": "username"}, body=SIMPLE),
    row("POST /authentication", 409, "ALREADY_EXISTS", body=SIMPLE),
    row("POST /authentication?anonymous=odd", 400, "INVALID_PARAMETER", body=SIMPLE),
    *(row("POST /authentication", 400, "BAD_REQUEST", body=SIMPLE | odd) for odd in (
        {"mechanism": "odd"}, {"backend": "odd"}, {"user_id_type": "odd"},
        {"password_hash_algorithm": {"name": "odd"}}, {"backend": "file"},
        {"backend": "file", "path": "/nothing/here"})),
    *unreadable("POST /authentication"),
    row("GET /authentication", 200, [AUTHENTICATOR], only=("id", {"password_based:built_in_database"})),
    row(f"GET {BUILT_IN}", 200, AUTHENTICATOR | {"enable": True}),
    row("GET /authentication/password_based%3Abuilt_in_database", 200, AUTHENTICATOR),
    row(f"PUT {BUILT_IN}", 200, AUTHENTICATOR | {"enable": False}, body=SIMPLE | {"enable": False}),
    row(f"PUT {BUILT_IN}", 200, AUTHENTICATOR,
        body=SIMPLE | {"password_hash_algorithm": {"name": "bcrypt", "salt_rounds": 4}}),
    row(f"PUT {BUILT_IN}", 400, "BAD_REQUEST",
        body=SIMPLE | {"password_hash_algorithm": {"name": "bcrypt", "salt_rounds": 40}}),
    row("PUT /authentication/jwt", 404, "NOT_FOUND", body=SIMPLE),
    *unreadable(f"PUT {BUILT_IN}"),
    row("PUT /authentication/order", 204, body=[{"id": "password_based:built_in_database"}]),
    row("PUT /authentication/order", 400, "BAD_REQUEST", body=[]),
    row("PUT /authentication/order", 400, "BAD_REQUEST", body=[{"id": "odd"}]),
    *unreadable("PUT /authentication/order"),
    row(f"PUT {BUILT_IN}/position/front", 204),
    row(f"PUT {BUILT_IN}/position/rear", 204),
    row(f"PUT {BUILT_IN}/position/odd", 400, "BAD_REQUEST"),
    row(f"PUT {BUILT_IN}/position/before:odd", 404, "NOT_FOUND"),
    row("PUT /authentication/odd/position/front", 404, "NOT_FOUND"),
    row(f"POST {BUILT_IN}/move", 204, body={"position": "front"}),
    row(f"POST {BUILT_IN}/move", 400, "BAD_REQUEST", body={"position": "odd"}),
    row("POST /authentication/odd/move", 404, "NOT_FOUND", body={"position": "front"}),
    *unreadable(f"POST {BUILT_IN}/move"),
    row("POST /authentication", 200, TOKENS | {"secret": "******"}, body=HMAC),
    row("POST /authentication", 400, "BAD_REQUEST", body={"mechanism": "jwt"}),
    row("GET /authentication/jwt", 200, TOKENS | {"secret": "******", "algorithm": "hmac-based"}),
    row("PUT /authentication/jwt", 200, TOKENS | {"secret": "******"}, body=HMAC | {"secret": "******"}),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=HMAC | {"algorithm": "public-key", "public_key": "odd"}),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=HMAC | {"use_jwks": True, "endpoint": "file:///nothing"}),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=HMAC | {"verify_claims": [1]}),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=SIMPLE),
    row("PUT /authentication/jwt", 200, TOKENS | {"refresh_interval": 60}, body=HMAC | KEYS),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=HMAC | KEYS | {"refresh_interval": 0}),
    row("PUT /authentication/jwt", 400, "BAD_REQUEST", body=HMAC | KEYS | {"ssl": {"enable": True, "verify": "verify_none"}}),
    row("PUT /authentication/jwt", 200, TOKENS | {"secret": "******"}, body=HMAC),
    row("POST /authentication", 200, AUTHENTICATOR | {"id": "password_based:http", "pool_size": 8}, body=SERVICE),
    row("PUT /authentication/password_based:http", 200, AUTHENTICATOR | {"cache_ttl": "60s"},
        body=SERVICE | {"cache_ttl": "1m"}),
    *(row("PUT /authentication/password_based:http", 400, "BAD_REQUEST", body=SERVICE | odd) for odd in (
        {"url": None}, {"url": "odd"}, {"url": "http://127.0.0.1:1/${odd}"}, {"method": "odd"}, {"pool_size": 0},
        {"request_timeout": "odd"}, {"headers": {"content-type": "odd"}}, {"body": ["odd"]})),
    row("DELETE /authentication/password_based:http", 204),
    *(line for backend, asks in DATABASES for line in (
        row("POST /authentication", 200, AUTHENTICATOR | {"password": "******"}, body=TABLE | asks | {"backend": backend}),
        row(f"PUT /authentication/password_based:{backend}", 200, AUTHENTICATOR | {"password": "******"},
            body=TABLE | asks | {"backend": backend, "password": "******", "pool_size": 2}),
        row(f"PUT /authentication/password_based:{backend}", 400, "BAD_REQUEST", body=TABLE | {"backend": backend}),
        row(f"PUT /authentication/password_based:{backend}", 400, "BAD_REQUEST",
            body=TABLE | asks | {"backend": backend, "server": None}),
        row(f"DELETE /authentication/password_based:{backend}", 204))),
    row("POST /authentication", 200, AUTHENTICATOR | {"password": "******", "request_timeout": "3s", "base_dn": "dc=x",
                                                      "method": {"type": "bind", "is_superuser_attribute": "isSuperuser"}},
        body=DIRECTORY),
    row(f"PUT {LDAP}", 200, AUTHENTICATOR | {"filter": "(objectClass=mqttUser)", "method": dict},
        body={name: value for name, value in DIRECTORY.items() if name not in ("filter", "method")}
        | {"base_dn": "uid=${username},dc=x", "password": "******"}),
    *(row(f"PUT {LDAP}", 400, "BAD_REQUEST", body=DIRECTORY | odd) for odd in (
        {"base_dn": None}, {"server": None}, {"filter": "odd"}, {"filter": "(uid=x)"}, {"password": ""},
        {"method": "post"}, {"method": {"type": "odd"}}, {"ssl": {"start_tls": True}})),
    row(f"DELETE {LDAP}", 204),
    row("GET /authentication/jwt/status", 200, AUTHENTICATOR_STATUS | {"status": "connected"}),
    row("GET /authentication/jwt/users", 400, "BAD_REQUEST"),
    row("PUT /authentication/order", 204, body=[{"id": "jwt"}, {"id": "password_based:built_in_database"}]),
    row("PUT /authentication/jwt/position/after:password_based:built_in_database", 204),
    row("DELETE /authentication/jwt", 204),
    row(f"GET {BUILT_IN}/status", 200, AUTHENTICATOR_STATUS | {"status": "connected"}),
    row("GET /authentication/odd/status", 404, "NOT_FOUND"),
    row(f"POST {BUILT_IN}/users", 201, MQTT_USER, body={"user_id": "u1", "password": "p", "is_superuser": True}),
    row(f"POST {BUILT_IN}/users", 201, MQTT_USER | {"is_superuser": False},
        body={"user_id": "u/2", "password": "p"}),
    row(f"POST {BUILT_IN}/users", 409, "ALREADY_EXISTS", body={"user_id": "u1", "password": "p"}),
    row(f"POST {BUILT_IN}/users", 400, "BAD_REQUEST", body={"user_id": "", "password": "p"}),
    row(f"POST {BUILT_IN}/users", 400, "BAD_REQUEST", body={"user_id": "u3"}),
    row("POST /authentication/odd/users", 404, "NOT_FOUND", body={"user_id": "u1", "password": "p"}),
    *unreadable(f"POST {BUILT_IN}/users"),
    row(f"GET {BUILT_IN}/users", 200, page(MQTT_USER), only=("user_id", {"u1", "u/2"})),
    row(f"GET {BUILT_IN}/users?like_user_id=u/", 200, page(MQTT_USER), only=("user_id", {"u/2"})),
    row(f"GET {BUILT_IN}/users?is_superuser=true", 200, page(MQTT_USER), only=("user_id", {"u1"})),
    row(f"GET {BUILT_IN}/users?page=2&limit=1", 200, page(MQTT_USER), only=("user_id", {"u1"})),
    row("GET /authentication/odd/users", 404, "NOT_FOUND"),
    *pages(f"{BUILT_IN}/users"),
    row(f"GET {BUILT_IN}/users/u%2F2", 200, MQTT_USER),
    row(f"GET {BUILT_IN}/users/odd", 404, "NOT_FOUND"),
    row(f"PUT {BUILT_IN}/users/u1", 200, MQTT_USER | {"is_superuser": False},
        body={"password": "q", "is_superuser": False}),
    row(f"PUT {BUILT_IN}/users/odd", 404, "NOT_FOUND", body={"password": "q", "is_superuser": False}),
    *unreadable(f"PUT {BUILT_IN}/users/u1"),
    row(f"DELETE {BUILT_IN}/users/u1", 204),
    row(f"DELETE {BUILT_IN}/users/u1", 404, "NOT_FOUND"),
    row(f"POST {BUILT_IN}/import_users?type=plain", 204, raw=users_file("users.csv", "user_id,password\nu4,p"),
        headers=MULTIPART),
    row(f"POST {BUILT_IN}/import_users?type=plain", 204, body=[{"user_id": "u5", "password": "p"}]),
    row(f"POST {BUILT_IN}/import_users", 400, "BAD_REQUEST", body=[{"user_id": "u5", "password": "p"}]),
    row(f"POST {BUILT_IN}/import_users?type=odd", 400, "INVALID_PARAMETER", body=[]),
    row(f"POST {BUILT_IN}/import_users", 400, "BAD_REQUEST", raw=users_file("users.txt", ""), headers=MULTIPART),
    row("POST /authentication/odd/import_users", 404, "NOT_FOUND", body=[]),
    row(f"GET {BUILT_IN}/users", 200, page(MQTT_USER), only=("user_id", {"u/2", "u4", "u5"})),
    row(f"DELETE {BUILT_IN}", 204),
    row(f"DELETE {BUILT_IN}", 404, "NOT_FOUND"),
]
