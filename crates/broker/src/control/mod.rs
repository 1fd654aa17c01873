//! The control plane: what happens now and then, and may wait. Shards are reached by mailbox only.

mod ask;
mod attend;
pub(crate) mod configuration;
pub(crate) mod listeners;
pub(crate) mod observe;
pub(crate) mod restore;
mod scarcity;
pub(crate) mod store;
pub(crate) mod sys;
pub(crate) mod trace;
