"""Names of counters and gauges that EMQX's tools ask for."""

import re


def spelled(text):
    """`a.{b,c}` spelled out, for each word."""
    for word in text.split():
        found = re.search(r"\{([^{}]*)\}", word)
        if found is None:
            yield word
            continue
        for part in found[1].split(","):
            yield from spelled(word[:found.start()] + part + word[found.end():])


STATS = list(spelled("""
    {connections,live_connections,cluster_sessions,sessions,channels,topics,subscriptions}.{count,max}
    {subscriptions.shared,subscribers,suboptions,retained,delayed}.{count,max}
"""))

METRICS = list(spelled("""
    bytes.{received,sent} packets.{received,sent}
    packets.connect.received packets.connack.{sent,error,auth_error}
    packets.publish.{received,sent,inuse,error,auth_error,dropped}
    packets.{puback,pubrec,pubcomp}.{received,sent,inuse,missed} packets.pubrel.{received,sent,missed}
    packets.subscribe.{received,error,auth_error} packets.suback.sent
    packets.unsubscribe.{received,error} packets.unsuback.sent
    packets.pingreq.received packets.pingresp.sent packets.{disconnect,auth}.{received,sent}
    messages.{received,sent} messages.{qos0,qos1,qos2}.{received,sent}
    messages.{publish,dropped,forward,delayed,delivered,acked,persisted}
    messages.dropped.{await_pubrel_timeout,no_subscribers}
    messages.{validation,transformation}_{failed,succeeded}
    delivery.dropped delivery.dropped.{no_local,too_large,qos0_msg,queue_full,expired}
    client.{connect,connack,connected,authenticate,auth.anonymous,authorize}
    client.{subscribe,unsubscribe,disconnected}
    session.{created,resumed,takenover,discarded,terminated}
    authorization.{allow,deny,cache_hit,cache_miss}
    authentication.{success,success.anonymous,failure}
    overload_protection.{delay.ok,delay.timeout,hibernation,gc,new_conn}
"""))

# Of the gauges about the machine, those that make sense without Erlang.
PROMETHEUS_GAUGES = list(spelled("""
    emqx_{connections,live_connections,sessions,channels,topics,subscriptions,subscribers}_{count,max}
    emqx_{suboptions,subscriptions_shared,durable_subscriptions,delayed,cluster_sessions,retained}_{count,max}
    emqx_vm_{cpu_use,cpu_idle,total_memory,used_memory}
    emqx_cluster_nodes_{running,stopped} emqx_cert_expiry_at emqx_license_expiry_at emqx_conf_sync_txid
"""))

PROMETHEUS_COUNTERS = list(spelled("""
    emqx_bytes_{received,sent} emqx_packets_{received,sent,connect}
    emqx_packets_connack_{sent,error,auth_error}
    emqx_packets_publish_{received,sent,inuse,error,auth_error,dropped}
    emqx_packets_{puback,pubrec,pubcomp}_{received,sent,inuse,missed}
    emqx_packets_pubrel_{received,sent,missed} emqx_packets_subscribe_{received,error,auth_error}
    emqx_packets_suback_sent emqx_packets_unsubscribe_{received,error} emqx_packets_unsuback_sent
    emqx_packets_pingreq_received emqx_packets_pingresp_sent
    emqx_packets_{disconnect,auth}_{received,sent}
    emqx_messages_{received,sent,publish,dropped,dropped_expired,dropped_no_subscribers,forward}
    emqx_messages_{retained,delayed,delivered,acked} emqx_messages_{qos0,qos1,qos2}_{received,sent}
    emqx_delivery_dropped emqx_delivery_dropped_{no_local,too_large,qos0_msg,queue_full,expired}
    emqx_client_{connect,connack,connected,authenticate,auth_anonymous,authorize,subscribe}
    emqx_client_{unsubscribe,disconnected,disconnected_reason}
    emqx_session_{created,resumed,takenover,discarded,terminated}
    emqx_authorization_{allow,deny,cache_hit,cache_miss,superuser,nomatch,matched_allow,matched_deny}
    emqx_authentication_{success,success_anonymous,failure}
    emqx_overload_protection_{delay_ok,delay_timeout,hibernation,gc,new_conn}
"""))

# Codes that GET /error_codes names.
ERROR_CODES = """
    BAD_USERNAME_OR_PWD BAD_API_KEY_OR_SECRET BAD_REQUEST NOT_MATCH ALREADY_EXISTS BAD_CONFIG_SCHEMA
    BAD_LISTENER_ID BAD_NODE_NAME BAD_RPC BAD_TOPIC EXCEED_LIMIT INVALID_PARAMETER CONFLICT
    NO_DEFAULT_VALUE DEPENDENCY_EXISTS MESSAGE_ID_SCHEMA_ERROR INVALID_ID MESSAGE_ID_NOT_FOUND NOT_FOUND
    CLIENTID_NOT_FOUND CLIENT_NOT_FOUND RESOURCE_NOT_FOUND TOPIC_NOT_FOUND USER_NOT_FOUND INTERNAL_ERROR
    SERVICE_UNAVAILABLE SOURCE_ERROR UPDATE_FAILED REST_FAILED CLIENT_NOT_RESPONSE
    UNSUPPORTED_MEDIA_TYPE
""".split()

PROMETHEUS_AUTH = list(spelled("""
    emqx_authn_{enable,status,users_count} emqx_authz_{enable,status,rules_count} emqx_banned_count
    emqx_authn_{total,success,failed,nomatch} emqx_authz_{total,allow,deny,nomatch}
"""))

PROMETHEUS_DATA = list(spelled("""
    emqx_{rules,actions,connectors}_count emqx_rule_enable emqx_action_{enable,status,inflight,queuing}
    emqx_connector_{enable,status}
    emqx_rule_{matched,passed,failed,failed_exception,failed_no_result,actions_total,actions_success}
    emqx_rule_{actions_failed,actions_failed_out_of_service,actions_failed_unknown,actions_discarded}
    emqx_action_{matched,success,failed,received,retried,retried_success,retried_failed,late_reply}
    emqx_action_dropped
    emqx_action_dropped_{expired,queue_full,resource_not_found,resource_stopped,other}
"""))
