//! Provided by broker: stands in for its API until it is there, then goes.

use std::fmt;
use std::net::SocketAddr;

use broker::config::Config;

pub(crate) struct Handle;

#[derive(Debug)]
pub(crate) struct StartError;

pub(crate) fn start(_: Config) -> Result<Handle, StartError> {
    Ok(Handle)
}

impl Handle {
    pub(crate) fn listeners(&self) -> Vec<(String, SocketAddr)> {
        vec![(
            "tcp:default".to_owned(),
            SocketAddr::from(([0, 0, 0, 0], 1883)),
        )]
    }
    pub(crate) fn reload(&self, _: Config) {}
    pub(crate) fn shutdown(self) {}
}

impl StartError {
    pub(crate) fn in_use(&self) -> Option<SocketAddr> {
        None
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("")
    }
}
