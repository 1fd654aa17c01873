//! What an operator decided, obeyed by several shards: bans, rewritten topics, subscriptions that
//! everybody gets, counted topics, and messages that wait for their time. And what an administrator
//! sees of shards and does in a client's place.

mod administered;
mod bans;
mod delayed;
mod inspected;
mod retained;
mod topics;
mod world;
