//! Publishing without a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Publication, acl::Principal};
use protocol::{Property, QoS, Reason, Topic};

use super::{Admin, Gone};

/// A message to be published.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
    pub properties: Properties,
}

/// What version 5 says about a message.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    pub payload_is_text: Option<bool>,
    pub expiry_secs: Option<u32>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    pub content_type: Option<String>,
    pub user_properties: Vec<(String, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub id: String,
    /// Somebody is subscribed.
    pub is_matched: bool,
}

/// Why a message was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    #[error("topic_name_invalid")]
    Topic,
    #[error("packet_too_large")]
    TooLarge,
    /// With the reason code.
    #[error("{}", Reason(*.0).name())]
    Refused(u8),
    #[error("failed_to_dispatch")]
    NotKept,
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// What a text or binary of a property may have.
const TEXT_MAX: usize = 65_535;

static PUBLISHED: AtomicU64 = AtomicU64::new(0);

impl Admin {
    /// Publishes in the name of who is signed in. What is promised by the QoS is safe when this returns.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, actor: &str, publish: Publish) -> Result<Published, PublishError> {
        let Publish {
            topic,
            payload,
            qos,
            retain,
            properties,
        } = publish;
        Topic::parse(&topic, u16::MAX).map_err(|_| PublishError::Topic)?;
        let qos = QoS::from_bits(qos).ok_or(PublishError::Refused(
            Reason::IMPLEMENTATION_SPECIFIC_ERROR.0,
        ))?;
        let forwarded = properties.encoded()?;
        let number = PUBLISHED.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016X}{number:016X}", self.now_millis());
        let who = Principal::Administrator(actor.into());
        let home = self.home(&topic);
        let done = self
            .ask(home, move |visit| {
                let what = Publication {
                    topic: Topic::trusted(&topic),
                    qos,
                    retain,
                    expiry_secs: properties.expiry_secs,
                    forwarded: &forwarded,
                    payload: &payload,
                };
                let published = visit
                    .engine
                    .publish_for(visit.now, &who, what, visit.conns)?;
                let kept = published.ticket.map(|ticket| visit.later(ticket));
                Ok((published.is_matched, kept))
            })
            .await?;
        let (is_matched, kept) = done.map_err(|reason: Reason| match reason {
            Reason::PACKET_TOO_LARGE => PublishError::TooLarge,
            other => PublishError::Refused(other.0),
        })?;
        if let Some(kept) = kept
            && !kept.await.map_err(|_| Gone)?
        {
            return Err(PublishError::NotKept);
        }
        Ok(Published { id, is_matched })
    }
}

impl Publish {
    /// What can be said before it is published.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn check(&self) -> Result<(), PublishError> {
        Topic::parse(&self.topic, u16::MAX).map_err(|_| PublishError::Topic)?;
        self.properties.encoded().map(|_| ())
    }
}

impl Properties {
    /// As they are forwarded [MQTT-3.3.2-17].
    fn encoded(&self) -> Result<Vec<u8>, PublishError> {
        let mut out = Vec::new();
        let texts = [&self.response_topic, &self.content_type];
        let texts = texts.into_iter().flatten().map(String::len);
        let pairs = self.user_properties.iter();
        let pairs = pairs.flat_map(|(name, value)| [name.len(), value.len()]);
        let data = self.correlation_data.iter().map(Vec::len);
        if texts.chain(pairs).chain(data).any(|len| len > TEXT_MAX) {
            return Err(PublishError::TooLarge);
        }
        if let Some(is_text) = self.payload_is_text {
            Property::PayloadFormat(u8::from(is_text)).put(&mut out);
        }
        if let Some(text) = &self.content_type {
            Property::ContentType(text).put(&mut out);
        }
        if let Some(topic) = &self.response_topic {
            Topic::parse(topic, u16::MAX).map_err(|_| PublishError::Topic)?;
            Property::ResponseTopic(topic).put(&mut out);
        }
        if let Some(data) = &self.correlation_data {
            Property::CorrelationData(data).put(&mut out);
        }
        for (name, value) in &self.user_properties {
            Property::UserProperty(name, value).put(&mut out);
        }
        let plain = |text: &str| !text.contains('\0');
        let pairs = self.user_properties.iter();
        let texts = pairs.flat_map(|(name, value)| [name, value]);
        if !texts.chain(&self.content_type).all(|text| plain(text)) {
            return Err(PublishError::Refused(Reason::MALFORMED_PACKET.0));
        }
        Ok(out)
    }
}
