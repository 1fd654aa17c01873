//! What every client is subscribed to when it connects.

use protocol::packet::subscribe::Options;

use super::Template;

/// One subscription, for everybody whose names fill its places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutoSubscribe {
    pub filter: Template,
    pub options: Options,
}
