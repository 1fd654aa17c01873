//! Why a connection was refused or ended by us: a closed list, so that each cause has a code that
//! stays, words and a remedy. The causes of sockets and of WebSocket stand here too, because an ending
//! is one thing; what people are told about them is the broker's business.

use protocol::{DecodeError, Reason};

use crate::Close;

/// Makes the list; a cause with a place says where in the packet, in words that hold nothing of the
/// peer's bytes.
macro_rules! causes {
    ( $( $(#[$meta:meta])* $name:ident $( ($place:ident) )? = $code:literal, $reason:ident, $text:literal; )* ) => {
        /// Why we refuse or end a connection.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Cause {
            $( $(#[$meta])* $name $( (causes!(@place $place)) )?, )*
        }

        impl Cause {
            /// One of each, with an empty place.
            pub const ALL: &'static [Self] = &[ $( causes!(@one $name $($place)?) ),* ];

            /// Its name in the API, for ever.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $( causes!(@any $name $($place)?) => $code, )* }
            }

            /// What an MQTT 5 client is told.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $( causes!(@any $name $($place)?) => Reason::$reason, )* }
            }

            /// The cause in a few words: Reason String of MQTT 5, lines of the log.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $( causes!(@bound $name $($place)?) => causes!(@text $text $($place)?), )* }
            }

            /// Where in the packet, or which rule of the protocol; empty where the cause says it all.
            #[must_use]
            pub const fn place(self) -> &'static str {
                match self { $( causes!(@bound $name $($place)?) => causes!(@where $($place)?), )* }
            }
        }
    };
    (@place $p:ident) => { &'static str };
    (@one $name:ident) => { Self::$name };
    (@one $name:ident $p:ident) => { Self::$name("") };
    (@any $name:ident) => { Self::$name };
    (@any $name:ident $p:ident) => { Self::$name(_) };
    (@bound $name:ident) => { Self::$name };
    (@bound $name:ident $p:ident) => { Self::$name($p) };
    (@where) => { "" };
    (@where $p:ident) => { $p };
    (@text $text:literal) => { $text };
    (@text $text:literal $p:ident) => { if $p.is_empty() { $text } else { $p } };
}

causes! {
    // Before MQTT.
    HttpOnMqtt = "http_on_mqtt_port", PROTOCOL_ERROR, "HTTP on an MQTT port";
    TlsOnMqtt = "tls_on_plain_port", PROTOCOL_ERROR, "TLS on a plain MQTT port";
    TlsOnWebSocket = "tls_on_websocket_port", PROTOCOL_ERROR, "TLS to a plain WebSocket port";
    ProxyHeader(place) = "proxy_header", PROTOCOL_ERROR, "the PROXY header is missing or wrong";
    ProxyStranger = "proxy_not_trusted", NOT_AUTHORIZED,
        "the address is no proxy's (proxy_networks of the listener)";
    ListenerAccess = "listener_access", NOT_AUTHORIZED,
        "the listener takes nobody from this address (access_rules)";
    MqttOnTls = "mqtt_on_tls_port", PROTOCOL_ERROR, "plain MQTT to a TLS port";
    HttpOnTls = "http_on_tls_port", PROTOCOL_ERROR, "HTTP without TLS to a TLS port";
    TlsTimeout = "tls_timeout", PROTOCOL_ERROR,
        "the TLS handshake took too long (ssl_options.handshake_timeout)";
    TlsClosed = "tls_closed", PROTOCOL_ERROR, "closed during or right after the TLS handshake";
    TlsNotTrusted = "tls_not_trusted", PROTOCOL_ERROR,
        "the client does not trust the broker's certificate";
    TlsVersion = "tls_version", PROTOCOL_ERROR, "no version of TLS or cipher in common";
    TlsNoCertificate = "tls_no_client_certificate", NOT_AUTHORIZED,
        "the client showed no certificate (ssl_options.fail_if_no_peer_cert)";
    TlsCertificate(place) = "tls_client_certificate", NOT_AUTHORIZED,
        "the client's certificate is not accepted";
    TlsHandshake(place) = "tls_handshake", PROTOCOL_ERROR, "the TLS handshake failed";
    TlsRecord(place) = "tls_record", PROTOCOL_ERROR, "what came over TLS is damaged";
    MqttOnWebSocket = "mqtt_on_websocket_port", PROTOCOL_ERROR, "plain MQTT to a WebSocket port";
    NotHttp = "not_http", PROTOCOL_ERROR, "not HTTP";
    HttpOnWebSocket = "http_on_websocket_port", PROTOCOL_ERROR, "HTTP without Upgrade: websocket";
    WebSocketPath = "websocket_path", PROTOCOL_ERROR, "path is none of /mqtt, /ws, /";
    WebSocketProtocol = "websocket_subprotocol", PROTOCOL_ERROR, "sub-protocol mqtt not offered";
    WebSocketOrigin = "websocket_origin", NOT_AUTHORIZED,
        "a web page of another host (see allowed_origins of the listener)";
    WebSocketHandshake(place) = "websocket_handshake", PROTOCOL_ERROR, "the WebSocket handshake is wrong";
    WebSocketFrame(place) = "websocket_frame", PROTOCOL_ERROR, "a WebSocket frame is wrong";
    WebSocketClosed = "websocket_closed", PROTOCOL_ERROR, "closed by peer";
    ConnectTimeout = "connect_timeout", PROTOCOL_ERROR, "no CONNECT in time (mqtt.connect_timeout)";
    ClosedEarly = "closed_before_connect", PROTOCOL_ERROR, "closed before a CONNECT came";
    PendingMax = "max_pending", SERVER_BUSY, "too many connections without CONNECT (mqtt.max_pending)";
    PendingPerAddressMax = "max_pending_per_address", SERVER_BUSY,
        "too many connections without CONNECT from this address (mqtt.max_pending_per_address)";
    PendingBytesMax = "max_pending_bytes", SERVER_BUSY,
        "too many bytes before CONNECT (mqtt.max_pending_bytes)";
    ConnectionsMax = "max_connections", QUOTA_EXCEEDED, "the listener's max_connections is reached";
    NoFiles = "no_file_descriptors", SERVER_BUSY,
        "no file descriptor is left; raise the limit (ulimit -n, LimitNOFILE)";
    // CONNECT.
    NotConnect = "not_connect", PROTOCOL_ERROR, "the first packet is not CONNECT";
    ProtocolName = "protocol_name", MALFORMED_PACKET, "not MQTT";
    ProtocolVersion = "protocol_version", UNSUPPORTED_PROTOCOL_VERSION, "unsupported protocol version";
    AuthenticationMethod = "authentication_method", BAD_AUTHENTICATION_METHOD,
        "no authenticator offers this method of authentication";
    AuthenticationData(place) = "authentication_data", BAD_USER_NAME_OR_PASSWORD,
        "what the client sent is no message of its authentication method";
    ClientIdMissing(place) = "client_id_missing", CLIENT_ID_NOT_VALID, "a client id is needed";
    ClientIdTooLong = "client_id_too_long", CLIENT_ID_NOT_VALID,
        "the client id is longer than mqtt.max_clientid_len";
    WrongPassword = "wrong_password", BAD_USER_NAME_OR_PASSWORD, "wrong user name or password";
    /// The client is told the same as of a wrong password.
    UnknownUser = "unknown_user", BAD_USER_NAME_OR_PASSWORD, "no authenticator knows this user";
    TokenExpired = "token_expired", NOT_AUTHORIZED, "the token has expired";
    TokenClaims = "token_claims", BAD_USER_NAME_OR_PASSWORD,
        "a claim of the token is not as it has to be (verify_claims)";
    AuthenticationDenied = "authentication_denied", NOT_AUTHORIZED,
        "an authenticator says that this client may not come in";
    AuthenticationBusy = "authentication_busy", SERVER_BUSY,
        "too many clients wait to be authenticated (mqtt.max_pending)";
    AuthenticationTimeout = "authentication_timeout", SERVER_BUSY,
        "not authenticated in time (mqtt.authentication_timeout)";
    AuthenticatorFailed = "authenticator_failed", SERVER_UNAVAILABLE,
        "an authenticator failed, so nobody knows who the client is";
    Ticket = "ticket", BAD_USER_NAME_OR_PASSWORD,
        "a ticket of the dashboard that was used before, is too old or another user's";
    SessionOfAnother = "session_of_another", NOT_AUTHORIZED,
        "the session of this client id is another user's";
    AnonymousOff = "anonymous_off", NOT_AUTHORIZED,
        "a user name and password are needed (mqtt.allow_anonymous is off)";
    Gateway = "lan_guard_gateway", NOT_AUTHORIZED,
        "the address of the container's gateway, behind which anybody may be, without credentials (lan_guard.gateway)";
    LanGuard = "lan_guard", NOT_AUTHORIZED,
        "a public address without credentials (lan_guard.trusted)";
    Banned = "banned", BANNED, "banned";
    MemoryShort = "memory_short", SERVER_BUSY, "the broker is short of memory (max_memory)";
    Mountpoint = "mountpoint", CLIENT_ID_NOT_VALID,
        "the client id or user name cannot be a level of a topic (mountpoint of the listener)";
    Flapping = "flapping", BANNED, "came and went too often (flapping_detect)";
    WillNotAllowed = "will_not_allowed", NOT_AUTHORIZED,
        "the client may not publish to the will's topic";
    SessionsMax = "max_sessions", QUOTA_EXCEEDED, "the limit mqtt.max_sessions is reached";
    AnswerTooLarge = "connack_too_large", PACKET_TOO_LARGE,
        "CONNACK is larger than the client's Maximum Packet Size";
    // Anything after it, too.
    NotAllowed = "not_allowed", NOT_AUTHORIZED,
        "did what a rule of access denies (authorization.deny_action)";
    Malformed(place) = "malformed", MALFORMED_PACKET, "a malformed packet";
    ProtocolError(place) = "protocol_error", PROTOCOL_ERROR, "the protocol was not kept";
    TopicInvalid(place) = "topic_invalid", TOPIC_NAME_INVALID, "the topic name is invalid";
    PacketTooLarge = "packet_too_large", PACKET_TOO_LARGE, "packet too large";
    PayloadTooLarge = "payload_too_large", PACKET_TOO_LARGE, "a payload larger than mqtt.max_payload_size";
    TooMany(place) = "too_many", QUOTA_EXCEEDED, "more than is allowed in one packet";
    TopicAlias(place) = "topic_alias", TOPIC_ALIAS_INVALID, "the topic alias is invalid";
    QosTooHigh(place) = "qos_too_high", QOS_NOT_SUPPORTED, "a QoS above mqtt.max_qos_allowed";
    RetainOff(place) = "retain_off", RETAIN_NOT_SUPPORTED, "mqtt.retain_available is off";
    ReceiveMaximum = "receive_maximum", RECEIVE_MAXIMUM_EXCEEDED,
        "more unacknowledged PUBLISHes than the announced Receive Maximum";
    AwaitingRelMax = "max_awaiting_rel", RECEIVE_MAXIMUM_EXCEEDED,
        "more QoS 2 PUBLISHes without PUBREL than mqtt.max_awaiting_rel";
    QueueFull = "queue_full", QUOTA_EXCEEDED,
        "the client does not keep up and its queue is full (mqtt.queue_full)";
    StoreRefused = "store_refused", QUOTA_EXCEEDED, "the store could not take it";
    DelayedMax = "max_delayed", QUOTA_EXCEEDED,
        "as many messages as may be wait for their time (mqtt.max_delayed)";
    PacketStalled = "packet_stalled", QUOTA_EXCEEDED,
        "its packet stood still while others waited (mqtt.max_incomplete_bytes)";
    KeepAlive = "keep_alive", KEEP_ALIVE_TIMEOUT,
        "nothing was heard for one and a half times the Keep Alive";
    TakenOver = "taken_over", SESSION_TAKEN_OVER,
        "taken over by a new connection with the same client id";
    Kicked = "kicked", ADMINISTRATIVE_ACTION, "kicked by an administrator";
    ListenerStopped = "listener_stopped", ADMINISTRATIVE_ACTION, "its listener was stopped";
    ShuttingDown = "server_shutting_down", SERVER_SHUTTING_DOWN, "the broker is shutting down";
    // Nothing that a peer sends is known to provoke it; if something were, it would be mended.
    Fault = "broker_fault", UNSPECIFIED_ERROR, "a fault of the broker while handling this client";
}

impl Cause {
    /// As an ending, with the reason that belongs to it.
    #[must_use]
    pub const fn close(self) -> Close {
        Close {
            reason: self.reason(),
            cause: self,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl From<DecodeError> for Cause {
    fn from(error: DecodeError) -> Self {
        let place = error.cause();
        match error {
            DecodeError::NotMqtt => Self::ProtocolName,
            DecodeError::UnsupportedVersion(_) => Self::ProtocolVersion,
            DecodeError::Protocol(_) => Self::ProtocolError(place),
            DecodeError::TopicInvalid(_) => Self::TopicInvalid(place),
            DecodeError::TopicAliasInvalid(_) => Self::TopicAlias(place),
            DecodeError::TooLarge { .. } => Self::PacketTooLarge,
            DecodeError::Quota(_) => Self::TooMany(place),
            // A filter is refused in SUBACK and ends no connection; what a later version of the decoder
            // finds is malformed until it has a cause of its own.
            _ => Self::Malformed(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_each_one_word() {
        let mut codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        let plain = |code: &&str| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(codes.iter().all(plain));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert!(
            Cause::ALL
                .iter()
                .all(|c| !c.text().is_empty() && c.reason().is_error())
        );
    }
}
