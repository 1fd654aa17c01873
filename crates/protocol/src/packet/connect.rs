//! CONNECT (3.1): the first packet of a connection, and the only one that tells its version.

use super::check_flags;
use crate::codec::{
    Reader, block_len, put_binary, put_block, put_header, put_string, put_u16, varint_of,
};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::qos::QoS;
use crate::topic::Topic;
use crate::version::Version;

const FIRST: u8 = 0x10;

/// Connect flags (3.1.2.3).
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

/// A wish to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    pub version: Version,
    /// Clean Session in 3.x.
    pub clean_start: bool,
    /// 0: no keep alive.
    pub keep_alive_secs: u16,
    /// May be empty; whether that is allowed is for the session to say.
    pub client_id: &'a str,
    pub properties: Properties<'a>,
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
}

/// The message that is published when the client is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Will<'a> {
    pub qos: QoS,
    pub retain: bool,
    /// A valid topic name.
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: Properties<'a>,
}

/// Decodes the body of a CONNECT of any version.
///
/// # Errors
/// `TooLarge` above `connect_bytes_max`; `UnsupportedVersion` for a level that we do not speak
/// [MQTT-3.1.2-2]; `Malformed` for another protocol's name [MQTT-3.1.2-1], flags that are reserved
/// or contradict each other, bad UTF-8 and bodies cut short or too long; `TopicInvalid` for the
/// will topic; what property blocks fail with.
pub fn decode<'a>(body: &'a [u8], first: u8, limits: &Limits) -> Result<Connect<'a>, DecodeError> {
    check_flags(first, 0)?;
    let bytes = varint_of(body.len());
    if bytes > limits.connect_bytes_max {
        let max = limits.connect_bytes_max;
        return Err(DecodeError::TooLarge { bytes, max });
    }
    let mut r = Reader::new(body);
    let version = version(&mut r)?;
    let flags = r.u8()?;
    check(flags, version)?;
    let keep_alive_secs = r.u16()?;
    let properties = properties(&mut r, version, Place::Connect, limits)?;
    // The order of the payload [MQTT-3.1.3-1]; the client id is always there [MQTT-3.1.3-3] and
    // UTF-8 [MQTT-3.1.3-4].
    let client_id = r.string()?;
    // [MQTT-3.1.2-9] [3.1.1 MQTT-3.1.2-12]
    let has_will = flags & flag::WILL != 0;
    let will = if has_will {
        Some(will(&mut r, flags, version, limits)?)
    } else {
        None
    };
    // 3.1 lets both be missing although their flags are set: "the Remaining Length field takes
    // precedence over the User Name flag" (3.1, CONNECT, payload).
    let there = |r: &Reader<'_>| version != Version::V3_1 || !r.is_empty();
    // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
    let user_name = if flags & flag::USER_NAME != 0 && there(&r) {
        Some(r.string()?)
    } else {
        None
    };
    // [MQTT-3.1.2-19]
    let password = if flags & flag::PASSWORD != 0 && there(&r) {
        Some(r.binary()?)
    } else {
        None
    };
    // What no flag announced is not there [MQTT-3.1.2-16] [MQTT-3.1.2-18].
    r.finish()?;
    Ok(Connect {
        version,
        clean_start: flags & flag::CLEAN_START != 0,
        keep_alive_secs,
        client_id,
        properties,
        will,
        user_name,
        password,
    })
}

fn version(r: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = r.binary()?;
    match (name, r.u8()?) {
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 4) => Ok(Version::V3_1_1),
        (b"MQIsdp", 3) => Ok(Version::V3_1),
        // [MQTT-3.1.2-2] [3.1.1 MQTT-3.1.2-2]; bridges set the highest bit of 3 and 4, and try
        // without it next.
        (b"MQTT" | b"MQIsdp", level) => Err(DecodeError::UnsupportedVersion(level)),
        // [MQTT-3.1.2-1]
        _ => Err(DecodeError::NotMqtt),
    }
}

fn check(flags: u8, version: Version) -> Result<(), DecodeError> {
    if flags & flag::RESERVED != 0 {
        // [MQTT-3.1.2-3]
        return Err(DecodeError::Malformed("reserved connect flag"));
    }
    // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
    if flags & flag::WILL == 0 && flags & (flag::WILL_QOS | flag::WILL_RETAIN) != 0 {
        return Err(DecodeError::Malformed("will flags without a will"));
    }
    let password_alone = flags & (flag::USER_NAME | flag::PASSWORD) == flag::PASSWORD;
    if password_alone && !version.is_v5() {
        // [3.1.1 MQTT-3.1.2-22]
        return Err(DecodeError::Malformed("password without a user name"));
    }
    Ok(())
}

fn properties<'a>(
    r: &mut Reader<'a>,
    version: Version,
    place: Place,
    limits: &Limits,
) -> Result<Properties<'a>, DecodeError> {
    if version.is_v5() {
        Properties::read(r, place, limits, |_| {})
    } else {
        Ok(Properties::default())
    }
}

fn will<'a>(
    r: &mut Reader<'a>,
    flags: u8,
    version: Version,
    limits: &Limits,
) -> Result<Will<'a>, DecodeError> {
    let properties = properties(r, version, Place::Will, limits)?;
    // [MQTT-3.1.3-11]
    let topic = Topic::decode(r.binary()?, limits.topic_levels_max)?.as_str();
    let payload = r.binary()?;
    let bits = (flags & flag::WILL_QOS) >> 3; // [MQTT-3.1.2-12]
    let qos = QoS::from_bits(bits).ok_or(DecodeError::Malformed("will with QoS 3"))?;
    Ok(Will {
        qos,
        retain: flags & flag::WILL_RETAIN != 0,
        topic,
        payload,
        properties,
    })
}

impl Connect<'_> {
    /// Appends the packet. For 3.x its properties and its will's are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let v5 = self.version.is_v5();
        put_header(out, FIRST, self.remaining());
        put_string(out, self.version.name());
        out.extend_from_slice(&[self.version.level(), self.flags()]);
        put_u16(out, self.keep_alive_secs);
        if v5 {
            put_block(out, self.properties.bytes());
        }
        put_string(out, self.client_id);
        if let Some(will) = &self.will {
            if v5 {
                put_block(out, will.properties.bytes());
            }
            put_string(out, will.topic);
            put_binary(out, will.payload);
        }
        if let Some(user_name) = self.user_name {
            put_string(out, user_name);
        }
        if let Some(password) = self.password {
            put_binary(out, password);
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= flag::CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= flag::WILL | will.qos.bits() << 3;
            if will.retain {
                flags |= flag::WILL_RETAIN;
            }
        }
        if self.user_name.is_some() {
            flags |= flag::USER_NAME;
        }
        if self.password.is_some() {
            flags |= flag::PASSWORD;
        }
        flags
    }

    fn remaining(&self) -> usize {
        let block = |properties: Properties<'_>| {
            if self.version.is_v5() {
                block_len(properties.bytes())
            } else {
                0
            }
        };
        let will = self.will.as_ref().map_or(0, |will| {
            block(will.properties) + 2 + will.topic.len() + 2 + will.payload.len()
        });
        let user_name = self.user_name.map_or(0, |name| 2 + name.len());
        let password = self.password.map_or(0, |password| 2 + password.len());
        // Name with its length, level, flags, keep alive.
        let fixed = 2 + self.version.name().len() + 1 + 1 + 2;
        fixed + block(self.properties) + 2 + self.client_id.len() + will + user_name + password
    }
}
