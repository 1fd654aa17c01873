//! The Will Message: published unless the client takes its leave (3.1.2.5).

use std::sync::Arc;

use crate::{Message, Time};

#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    /// Message Expiry Interval of the will: it starts when the will is published.
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) delay_secs: u32,
    /// Under which the store has it.
    pub(crate) serial: u64,
    /// When it goes out, while the client is away.
    pub(crate) due: Option<Time>,
}
