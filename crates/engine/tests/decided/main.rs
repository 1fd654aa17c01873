//! What an operator decided, obeyed by several shards: bans, rewritten topics, subscriptions that
//! everybody gets, counted topics, and messages that wait for their time.

mod bans;
mod delayed;
mod topics;
mod world;
