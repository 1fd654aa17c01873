//! A web server over TLS that is none of ours.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::connection_log::until;

use super::{certify, free_port};

/// A web server of openssl's over a directory, with a certificate of its own.
pub(crate) struct Secured {
    pub(crate) port: u16,
    child: Child,
}

impl Secured {
    /// `-WWW` serves files, `-HTTP` files that are whole answers.
    pub(crate) fn start(dir: &Path, serves: &str) -> Self {
        certify(dir, "tls", "localhost");
        let port = free_port();
        let child = Command::new("openssl")
            .args([
                "s_server", "-quiet", serves, "-cert", "tls.pem", "-key", "tls.key",
            ])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is there");
        let is_there = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        until(is_there, "openssl listens");
        Self { port, child }
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
