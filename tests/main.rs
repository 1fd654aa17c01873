//! Black-box tests of the built broker, one file a chapter of the specification. They know
//! nothing of its crates: bytes go in through sockets, bytes come out. The doc comment of a test
//! tells its story and names the statements that it would find broken.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic"
)]
#![allow(clippy::print_stdout, reason = "some tests tell what they measured")]
#![allow(
    dead_code,
    unused_imports,
    reason = "the wire room keeps whole sets of names, used or not yet"
)]

#[path = "41_abuse.rs"]
mod abuse;
#[path = "28_accounts.rs"]
mod accounts;
#[path = "32_alarms.rs"]
mod alarms;
#[path = "29_api.rs"]
mod api;
#[path = "22_api_clients.rs"]
mod api_clients;
#[path = "50_audit.rs"]
mod audit;
#[path = "35_authenticate.rs"]
mod authenticate;
#[path = "36_authorize.rs"]
mod authorize;
#[path = "42_back_ends.rs"]
mod back_ends;
#[path = "27_backup.rs"]
mod backup;
#[path = "38_bench.rs"]
mod bench;
#[cfg(unix)]
#[path = "43_certificates.rs"]
mod certificates;
#[path = "01_connect.rs"]
mod connect;
#[path = "31_connection_log.rs"]
mod connection_log;
#[path = "19_crowd.rs"]
mod crowd;
#[path = "45_ctl.rs"]
mod ctl;
#[cfg(unix)]
#[path = "43_databases.rs"]
mod databases;
#[path = "39_devices.rs"]
mod devices;
#[cfg(unix)]
#[path = "49_directories.rs"]
mod directories;
#[path = "17_exhaustion.rs"]
mod exhaustion;
#[path = "23_features.rs"]
mod features;
#[path = "25_front_door.rs"]
mod front_door;
#[path = "16_handover.rs"]
mod handover;
#[path = "10_hostile.rs"]
mod hostile;
#[path = "49_identity.rs"]
mod identity;
#[path = "15_limits.rs"]
mod limits;
#[path = "46_migrate.rs"]
mod migrate;
#[path = "45_mountpoint.rs"]
mod mountpoint;
#[path = "24_observe.rs"]
mod observe;
#[path = "26_operate.rs"]
mod operate;
#[path = "14_pressure.rs"]
mod pressure;
#[path = "42_profile.rs"]
mod profile;
#[path = "09_property.rs"]
mod property;
#[path = "02_publish.rs"]
mod publish;
#[path = "03_qos.rs"]
mod qos;
#[path = "04_retain.rs"]
mod retain;
#[path = "44_rows.rs"]
mod rows;
#[path = "47_scram.rs"]
mod scram;
#[cfg(unix)]
#[path = "40_security.rs"]
mod security;
mod servers;
#[path = "36_service.rs"]
mod service;
#[path = "08_session.rs"]
mod session;
#[path = "07_shared.rs"]
mod shared;
#[path = "13_shutdown.rs"]
mod shutdown;
#[path = "48_sources.rs"]
mod sources;
#[path = "18_state.rs"]
mod state;
#[path = "21_store_cli.rs"]
mod store_cli;
#[path = "17_strangers.rs"]
mod strangers;
#[path = "06_subscribe.rs"]
mod subscribe;
#[path = "12_sys.rs"]
mod sys;
#[cfg(unix)]
#[path = "34_tls.rs"]
mod tls;
#[path = "20_told.rs"]
mod told;
#[path = "33_tools.rs"]
mod tools;
#[path = "30_trace.rs"]
mod trace;
#[path = "11_websocket.rs"]
mod websocket;
#[path = "05_will.rs"]
mod will;
mod wire;
