//! Version 5's reason codes (table 2-6), which packet may carry which, and what 3.x says instead.

use std::fmt;

/// A reason code: below 0x80 it went well, from 0x80 on it did not (2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reason(pub u8);

/// One table gives the constants and their names, so that they cannot differ.
macro_rules! reasons {
    ($($code:literal $constant:ident $name:literal)*) => {
        /// The codes, each named as in the specification.
        impl Reason {
            $(#[doc = $name] pub const $constant: Self = Self($code);)*

            /// The code's name in the specification; "Unknown reason code" for others.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $name,)*
                    _ => "Unknown reason code",
                }
            }
        }
    };
}

reasons! {
    0x00 SUCCESS "Success"
    0x01 GRANTED_QOS_1 "Granted QoS 1"
    0x02 GRANTED_QOS_2 "Granted QoS 2"
    0x04 DISCONNECT_WITH_WILL "Disconnect with Will Message"
    0x10 NO_MATCHING_SUBSCRIBERS "No matching subscribers"
    0x11 NO_SUBSCRIPTION_EXISTED "No subscription existed"
    0x18 CONTINUE_AUTHENTICATION "Continue authentication"
    0x19 RE_AUTHENTICATE "Re-authenticate"
    0x80 UNSPECIFIED_ERROR "Unspecified error"
    0x81 MALFORMED_PACKET "Malformed Packet"
    0x82 PROTOCOL_ERROR "Protocol Error"
    0x83 IMPLEMENTATION_SPECIFIC_ERROR "Implementation specific error"
    0x84 UNSUPPORTED_PROTOCOL_VERSION "Unsupported Protocol Version"
    0x85 CLIENT_ID_NOT_VALID "Client Identifier not valid"
    0x86 BAD_USER_NAME_OR_PASSWORD "Bad User Name or Password"
    0x87 NOT_AUTHORIZED "Not authorized"
    0x88 SERVER_UNAVAILABLE "Server unavailable"
    0x89 SERVER_BUSY "Server busy"
    0x8A BANNED "Banned"
    0x8B SERVER_SHUTTING_DOWN "Server shutting down"
    0x8C BAD_AUTHENTICATION_METHOD "Bad authentication method"
    0x8D KEEP_ALIVE_TIMEOUT "Keep Alive timeout"
    0x8E SESSION_TAKEN_OVER "Session taken over"
    0x8F TOPIC_FILTER_INVALID "Topic Filter invalid"
    0x90 TOPIC_NAME_INVALID "Topic Name invalid"
    0x91 PACKET_ID_IN_USE "Packet Identifier in use"
    0x92 PACKET_ID_NOT_FOUND "Packet Identifier not found"
    0x93 RECEIVE_MAXIMUM_EXCEEDED "Receive Maximum exceeded"
    0x94 TOPIC_ALIAS_INVALID "Topic Alias invalid"
    0x95 PACKET_TOO_LARGE "Packet too large"
    0x96 MESSAGE_RATE_TOO_HIGH "Message rate too high"
    0x97 QUOTA_EXCEEDED "Quota exceeded"
    0x98 ADMINISTRATIVE_ACTION "Administrative action"
    0x99 PAYLOAD_FORMAT_INVALID "Payload format invalid"
    0x9A RETAIN_NOT_SUPPORTED "Retain not supported"
    0x9B QOS_NOT_SUPPORTED "QoS not supported"
    0x9C USE_ANOTHER_SERVER "Use another server"
    0x9D SERVER_MOVED "Server moved"
    0x9E SHARED_SUBSCRIPTIONS_NOT_SUPPORTED "Shared Subscriptions not supported"
    0x9F CONNECTION_RATE_EXCEEDED "Connection rate exceeded"
    0xA0 MAXIMUM_CONNECT_TIME "Maximum connect time"
    0xA1 SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED "Subscription Identifiers not supported"
    0xA2 WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED "Wildcard Subscriptions not supported"
}

impl Reason {
    /// Zero in a DISCONNECT.
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// Zero in a SUBACK.
    pub const GRANTED_QOS_0: Self = Self(0x00);

    /// Whether the code tells of a failure.
    #[inline]
    pub fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// The code as it goes onto the wire.
    #[inline]
    pub fn code(self) -> u8 {
        self.0
    }

    /// The return code of a 3.x CONNACK that says most nearly the same (3.1.1, table 3.1).
    pub fn connack_v3(self) -> u8 {
        match self {
            reason if !reason.is_error() => 0,
            Self::UNSUPPORTED_PROTOCOL_VERSION => 1,
            Self::CLIENT_ID_NOT_VALID => 2,
            // "Unavailable" makes clients try again, which is what these ask for.
            Self::SERVER_UNAVAILABLE
            | Self::SERVER_BUSY
            | Self::SERVER_SHUTTING_DOWN
            | Self::USE_ANOTHER_SERVER
            | Self::SERVER_MOVED
            | Self::CONNECTION_RATE_EXCEEDED => 3,
            Self::BAD_USER_NAME_OR_PASSWORD => 4,
            _ => 5,
        }
    }

    /// The reason of a 3.x CONNACK return code; `None` for reserved ones.
    pub(crate) fn from_connack_v3(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::SUCCESS),
            1 => Some(Self::UNSUPPORTED_PROTOCOL_VERSION),
            2 => Some(Self::CLIENT_ID_NOT_VALID),
            3 => Some(Self::SERVER_UNAVAILABLE),
            4 => Some(Self::BAD_USER_NAME_OR_PASSWORD),
            5 => Some(Self::NOT_AUTHORIZED),
            _ => None,
        }
    }

    /// [MQTT-3.2.2-8]
    pub(crate) fn is_for_connack(self) -> bool {
        matches!(
            self.0,
            0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
        )
    }

    /// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
    #[inline]
    pub(crate) fn is_for_puback(self) -> bool {
        matches!(
            self.0,
            0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
        )
    }

    /// [MQTT-3.6.2-1] [MQTT-3.7.2-1]
    #[inline]
    pub(crate) fn is_for_pubrel(self) -> bool {
        matches!(self.0, 0x00 | 0x92)
    }

    /// [MQTT-3.9.3-2]
    pub(crate) fn is_for_suback(self) -> bool {
        matches!(
            self.0,
            0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2
        )
    }

    /// [3.1.1 MQTT-3.9.3-2]
    pub(crate) fn is_for_suback_v3(self) -> bool {
        matches!(self.0, 0x00..=0x02 | 0x80)
    }

    /// [MQTT-3.11.3-2]
    pub(crate) fn is_for_unsuback(self) -> bool {
        matches!(self.0, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91)
    }

    /// [MQTT-3.14.2-1]
    pub(crate) fn is_for_disconnect(self) -> bool {
        matches!(
            self.0,
            0x00 | 0x04
                | 0x80..=0x83
                | 0x87
                | 0x89
                | 0x8B
                | 0x8D..=0x90
                | 0x93..=0xA2
        )
    }

    /// [MQTT-3.15.2-1]
    pub(crate) fn is_for_auth(self) -> bool {
        matches!(self.0, 0x00 | 0x18 | 0x19)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_classes() {
        assert_eq!(Reason::SESSION_TAKEN_OVER.to_string(), "Session taken over");
        assert_eq!(Reason(0x42).name(), "Unknown reason code");
        assert_eq!(Reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED.code(), 0xA2);
        assert!(Reason::UNSPECIFIED_ERROR.is_error());
        assert!(!Reason::RE_AUTHENTICATE.is_error());
    }

    /// Every code has a packet that may carry it, and no other byte has (table 2-6).
    #[test]
    fn every_named_code_has_a_packet() {
        for code in 0..=255 {
            let reason = Reason(code);
            let used = reason.is_for_connack()
                || reason.is_for_puback()
                || reason.is_for_pubrel()
                || reason.is_for_suback()
                || reason.is_for_unsuback()
                || reason.is_for_disconnect()
                || reason.is_for_auth();
            assert_eq!(used, reason.name() != "Unknown reason code", "{code:#04x}");
        }
    }

    #[test]
    fn version_3_return_codes() {
        let check = |reason: Reason, code| assert_eq!(reason.connack_v3(), code, "{reason}");
        check(Reason::SUCCESS, 0);
        check(Reason::UNSUPPORTED_PROTOCOL_VERSION, 1);
        check(Reason::CLIENT_ID_NOT_VALID, 2);
        check(Reason::SERVER_UNAVAILABLE, 3);
        check(Reason::SERVER_BUSY, 3);
        check(Reason::BAD_USER_NAME_OR_PASSWORD, 4);
        check(Reason::NOT_AUTHORIZED, 5);
        check(Reason::BANNED, 5);
        for code in 0..=5 {
            assert_eq!(Reason::from_connack_v3(code).unwrap().connack_v3(), code);
        }
        assert_eq!(Reason::from_connack_v3(6), None);
    }
}
