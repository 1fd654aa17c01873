"""The objects that the API answers with: each field's name and JSON type."""

from keys import METRICS, STATS
from shape import Map, base64_text, digits, duration, hexes, page, rate, size, time

FLAG = (0, 1)
QOS = (0, 1, 2)
COUNT = (int, "infinity")

# Refused with a code that nobody relies on.
REFUSED = {"code": str, "message": str}
# A parameter of another type or with a value that it does not have.
NO_SUCH_VALUE = {"code": ("BAD_REQUEST", "INVALID_PARAMETER"), "message": str}

USER = {"username": str, "description": str, "role?": str}
SIGNED_IN = {"token": str, "version": str, "license": {"edition": str}, "role?": str}
ERROR_CODE = {"code": str, "description": str}

NODE = {
    "node": str, "node_status": "running", "role": "core", "version": str, "edition": "Opensource",
    "otp_release": str, "uptime": int, "connections": int, "live_connections": int,
    "cluster_sessions": int, "load1": float, "load5": float, "load15": float, "max_fds": int,
    "memory_total": size, "memory_used": size, "process_available": int, "process_used": int,
    "log_path": str, "sys_path": str,
}
STATS_TOTAL = dict.fromkeys(STATS, int)
STATS_ALL = STATS_TOTAL | {"durable_subscriptions.count": int, "durable_subscriptions.max": int}
METRICS_TOTAL = dict.fromkeys(METRICS, int)
OF_NODE = {"node": str}
SAMPLE = dict.fromkeys(
    ["time_stamp", "received", "sent", "dropped", "connections", "live_connections", "subscriptions",
     "topics", "persisted", "validation_succeeded", "validation_failed", "transformation_succeeded",
     "transformation_failed", "subscriptions_durable", "disconnected_durable_sessions"], int)
CURRENT = dict.fromkeys(
    ["received_msg_rate", "sent_msg_rate", "dropped_msg_rate", "connections", "live_connections",
     "subscriptions", "topics", "retained_msg_count", "shared_subscriptions"], int)

CLIENT = {
    "clientid": str, "username": (str, None), "anonymous": bool, "node": str, "ip_address": str, "port": int,
    "connected": bool, "connected_at": time, "created_at": time, "disconnected_at?": time,
    "proto_name": "MQTT", "proto_ver": int, "keepalive": int, "clean_start": bool,
    "expiry_interval": int, "is_bridge": bool, "is_persistent": bool, "is_expired": bool,
    "durable": bool, "listener": str, "mountpoint": str, "enable_authn": bool, "client_attrs": dict,
    "subscriptions_max": COUNT, "inflight_max": COUNT, "mqueue_max": COUNT, "awaiting_rel_max": COUNT,
} | dict.fromkeys(
    ["subscriptions_cnt", "inflight_cnt", "mqueue_len", "mqueue_dropped", "awaiting_rel_cnt",
     "recv_cnt", "recv_oct", "recv_pkt", "recv_msg", "recv_msg.qos0", "recv_msg.qos1",
     "recv_msg.qos2", "recv_msg.dropped", "recv_msg.dropped.await_pubrel_timeout",
     "send_cnt", "send_oct", "send_pkt", "send_msg", "send_msg.qos0", "send_msg.qos1",
     "send_msg.qos2", "send_msg.dropped", "send_msg.dropped.expired", "send_msg.dropped.queue_full",
     "send_msg.dropped.too_large", "heap_size", "mailbox_len", "reductions"], int)
SUBSCRIPTION = {"clientid": str, "node": str, "topic": str, "qos": QOS, "nl": FLAG, "rap": FLAG,
                "rh": QOS, "durable": bool}
CACHED = {"access": ("publish", "subscribe"), "topic": str, "result": ("allow", "deny"),
          "updated_time": int}
TOPIC = {"topic": str, "node": str}
UNDERWAY = {"msgid": hexes, "topic": str, "qos": QOS, "publish_at": int, "from_clientid": str,
            "from_username": str, "payload": base64_text, "inserted_at": digits}
QUEUED = UNDERWAY | {"mqueue_priority": int}
POSITION = (str, int)


def cursor(of, position=POSITION):
    """A page that tells where the next one begins."""
    return {"data": [of], "meta": {"start": POSITION, "position": position}}


PUBLISHED = {"id": hexes}
UNHEARD = {"reason_code": 16, "message": "no_matching_subscribers"}
BAD_TOPIC = {"reason_code": 144, "message": "topic_name_invalid"}
TOO_LARGE = {"reason_code": 151, "message": "packet_too_large"}
# A message that cannot be read as one: in the words of publishing, or of all other calls.
UNREADABLE = ({"reason_code": int, "message": str}, {"code": "BAD_REQUEST", "message": str})

RETAINER = {
    "enable": bool, "msg_expiry_interval": duration, "msg_clear_interval": duration,
    "max_payload_size": size, "stop_publish_clear_msg": bool, "delivery_rate": (rate, "infinity"),
    "backend": {"type": "built_in_database", "storage_type": ("ram", "disc"),
                "max_retained_messages": int, "index_specs": [[int, ...], ...], "enable": bool},
}
RETAINED = {"msgid": hexes, "topic": str, "qos": QOS, "publish_at": time, "from_clientid": str,
            "from_username": str, "held_back?": bool}
DELAYED = {"msgid": hexes, "node": str, "publish_at": time, "delayed_interval": int,
           "delayed_remaining": int, "expected_at": time, "topic": str, "qos": QOS,
           "from_clientid": str, "from_username": str}
REWRITE = {"action": ("publish", "subscribe", "all"), "source_topic": str, "dest_topic": str,
           "re": str}
AUTO_SUBSCRIBE = {"topic": str, "qos": QOS, "rh": QOS, "rap": FLAG, "nl": FLAG}
TOPIC_METRICS = {
    "topic": str, "create_time": time, "reset_time?": time,
    "metrics": {f"message.{what}.{unit}": int if unit == "count" else float
                for what in ("in", "out", "dropped", "qos0.in", "qos0.out", "qos1.in", "qos1.out",
                             "qos2.in", "qos2.out") for unit in ("count", "rate")},
}
SLOW = {"clientid": str, "node": str, "topic": str, "timespan": int, "last_update_time": int}
SLOW_SETTINGS = {"enable": bool, "threshold": duration, "expire_interval": duration,
                 "top_k_num": int, "stats_type": ("whole", "internal", "response")}

BAN = {"as": ("clientid", "username", "peerhost", "clientid_re", "username_re", "peerhost_net"),
       "who": str, "by": str, "reason": str, "at": (time, "infinity"), "until": (time, "infinity")}

AUTHENTICATOR = {"id": str, "mechanism": "password_based", "backend": ("built_in_database", "file", "http", "redis", "postgresql",
                                                                       "mysql", "ldap"),
                 "enable": bool}
TOKENS = {"id": "jwt", "mechanism": "jwt", "enable": bool, "from": "password", "use_jwks": bool,
          "verify_claims": dict, "disconnect_after_expire": bool, "acl_claim_name": str}
AUTHENTICATED = {"total": int, "success": int, "failed": int, "nomatch": int, "rate": (int, float),
                 "rate_max": (int, float), "rate_last5m": (int, float)}
AUTHENTICATOR_STATUS = {"status": ("connected", "disconnected"), "metrics": AUTHENTICATED, "resource_metrics": dict,
                        "node_metrics": [{"node": str, "metrics": AUTHENTICATED}],
                        "node_status": [{"node": str, "status": ("connected", "disconnected")}],
                        "node_error": [dict, ...]}
MQTT_USER = {"user_id": str, "is_superuser": bool}
AUTHZ_RULE = {"permission": ("allow", "deny"), "action": ("publish", "subscribe", "all"), "topic": str,
              "qos": [int], "retain": ("all", bool)}
AUTHZ_SETTINGS = {"no_match": ("allow", "deny"), "deny_action": ("ignore", "disconnect"),
                  "cache": {"enable": bool, "max_size": int, "ttl": str, "excludes": [str, ...]}}

LISTENING = {"running": (bool, "inconsistent"), "max_connections": COUNT, "current_connections": int}
LISTENER = {"id": str, "type": str, "name": str, "enable": bool, "bind": str, "acceptors": int,
            "number": int, "status": LISTENING, "node_status": [{"node": str, "status": LISTENING}]}
# What is told of one alone is how it is set.
LISTENER_CONFIG = {"id": str, "type": str, "name": str, "enable": bool, "bind": str,
                   "max_connections": COUNT, "proxy_protocol?": bool, "proxy_networks?": [str, ...],
                   "forwarded_for?": bool}
LISTENERS_STATUS = {"type": str, "enable": bool, "ids": [str], "status": LISTENING,
                    "node_status": [{"node": str, "status": LISTENING}]}

API_KEY = {"name": str, "api_key": str, "expired_at": (time, "infinity"), "created_at": time,
           "desc": str, "enable": bool, "expired": bool, "role?": str}
API_KEY_MADE = API_KEY | {"api_secret": str}
ALARM = {"node": str, "name": str, "message": str, "details": dict, "duration": int,
         "activate_at": time, "deactivate_at?": (time, "infinity")}
TRACE = {"name": str, "type": ("clientid", "topic", "ip_address", "ruleid"),
         "status": ("running", "stopped", "waiting"), "start_at": time, "end_at": time,
         "payload_encode": ("text", "hex", "hidden"), "formatter": ("text", "json"),
         "log_size": Map(int)}
TRACE_LOG = {"items": str, "meta": {"position": int, "bytes": int}}
TRACE_FILE = {"node": str, "size": int, "mtime": int}
BACKUP = {"node": str, "filename": str, "created_at": time, "created_at_sec": int, "size": int}
PROMETHEUS = {"enable_basic_auth": bool, "collectors": Map(str),
              "push_gateway": {"enable": bool, "url": str, "interval": duration, "job_name": str,
                               "headers": (dict, [str, ...])}}
CLIENTS = page(CLIENT)

ZONE = {"mqtt": {
    "max_packet_size": size, "max_clientid_len": int, "max_topic_levels": int, "max_topic_alias": int,
    "max_qos_allowed": QOS, "retain_available": bool, "wildcard_subscription": bool,
    "shared_subscription": bool, "shared_subscription_strategy": str, "exclusive_subscription": bool,
    "session_expiry_interval": duration, "message_expiry_interval": (duration, "infinity"),
    "keepalive_multiplier": float, "server_keepalive": (int, "disabled"), "idle_timeout": duration,
    "max_inflight": int, "max_awaiting_rel": COUNT, "await_rel_timeout": duration,
    "retry_interval": (duration, "infinity"), "max_subscriptions": COUNT, "max_mqueue_len": COUNT,
    "mqueue_store_qos0": bool, "mqueue_priorities": (Map(int), "disabled"),
    "mqueue_default_priority": ("highest", "lowest"), "upgrade_qos": bool, "ignore_loop_deliver": bool,
    "strict_mode": bool, "response_information": str, "use_username_as_clientid": bool,
    "peer_cert_as_username": str, "peer_cert_as_clientid": str, "client_attrs_init": [dict, ...],
}}
SYS_TOPICS = {"sys_msg_interval": (duration, "disabled"), "sys_heartbeat_interval": (duration, "disabled"),
              "sys_event_messages": dict.fromkeys(["client_connected", "client_disconnected",
                                                   "client_subscribed", "client_unsubscribed"], bool)}
