//! Other people's servers that tests start, each in a directory of its own and on ports of the system's choice.

use std::fs;
use std::path::Path;

#[cfg(unix)]
mod database;
#[cfg(unix)]
mod directory;
mod secured;

#[cfg(unix)]
pub(crate) use database::{DATABASE_PASSWORD, Database, Make};
#[cfg(unix)]
pub(crate) use directory::{Directory, READER_PASSWORD, ROOT};
pub(crate) use secured::Secured;

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// Puts a certificate for a host there, signed by itself, and its key: `name.pem` and `name.key`.
pub(crate) fn certify(dir: &Path, name: &str, host: &str) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    fs::write(dir.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    fs::write(dir.join(format!("{name}.key")), key).unwrap();
}
