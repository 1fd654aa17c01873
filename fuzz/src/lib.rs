//! What the fuzzers do with bytes, one file a target. Nothing here knows a fuzzer: `crates/broker`
//! runs the same bodies, seeded and for a moment, with every `cargo test`.

pub mod frame;
pub mod roundtrip;
pub mod shard;
pub mod topic;
pub mod websocket;
