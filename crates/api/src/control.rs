//! The way in for whoever owns the data directory, without a password: a file there, readable by its
//! owner alone, says where the API listens and what opens it. Both ends of that way are here.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use broker::{
    admin::{Bucket, Change, Keep, KeepError, observe::Lang},
    lan::Network,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{Secret, user_with_password};

pub use crate::route::ctl::{Checked, Findings};

const NAME: &str = "control.json";
/// For each step of a call. The longest is the hash of a password.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer: a page of ten thousand clients.
const ANSWER_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Written {
    address: SocketAddr,
    token: String,
}

/// The file, which goes with this value.
pub(crate) struct ControlFile(PathBuf);

impl ControlFile {
    /// Writes it for an API that listens at `bound`.
    pub(crate) fn write(dir: &Path, bound: SocketAddr, token: &Secret) -> io::Result<Self> {
        let ip = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let written = Written {
            address: SocketAddr::new(ip, bound.port()),
            token: token.reveal().to_owned(),
        };
        let text = serde_json::to_vec(&written).expect("texts become JSON");
        let (path, new) = (dir.join(NAME), dir.join(format!("{NAME}.new")));
        // One that was left half written, or belongs to an earlier process.
        let _ = fs::remove_file(&new);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&new)?.write_all(&text)?;
        fs::rename(&new, &path)?;
        Ok(Self(path))
    }
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        // If it stays, it opens nothing: the next process has another token.
        let _ = fs::remove_file(&self.0);
    }
}

/// Why a running broker was not told something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    #[error("no broker runs on this data directory, or its dashboard is off")]
    NotRunning,
    #[error("{0}")]
    Io(#[from] io::Error),
    /// In its own words.
    #[error("{0}")]
    Refused(String),
}

/// Lets networks count as near, at once and from now on.
///
/// # Errors
/// If no broker runs there, or it refuses.
pub fn trust(data_dir: &Path, networks: &[Network]) -> Result<(), CallError> {
    let networks: Vec<String> = networks.iter().map(Network::to_string).collect();
    call(data_dir, "trust", &json!({ "networks": networks })).map(drop)
}

/// Makes a client's session nobody's, so that another user may have it.
///
/// # Errors
/// If no broker runs there, or it has no such session.
pub fn release(data_dir: &Path, client_id: &str) -> Result<(), CallError> {
    call(data_dir, "release", &json!({ "clientid": client_id })).map(drop)
}

/// Who comes in by which listener of a running broker, and its points of security, in words.
///
/// # Errors
/// If no broker runs there.
pub fn check(data_dir: &Path, lang: Lang) -> Result<Findings, CallError> {
    let told = call(data_dir, "check", &json!({ "chinese": lang == Lang::Zh }))?;
    serde_json::from_value(told).map_err(|error| CallError::Io(io::Error::other(error)))
}

/// Sets the password of `admin` of a running broker.
///
/// # Errors
/// If no broker runs there, or it refuses.
pub fn set_password(data_dir: &Path, password: &Secret) -> Result<(), CallError> {
    call(
        data_dir,
        "password",
        &json!({ "password": password.reveal() }),
    )
    .map(drop)
}

/// Sets the password of `admin` in a store that no broker has. Who is signed in is not any more.
///
/// # Errors
/// If the store cannot be read, or does not take it.
pub fn set_password_in(keep: &Keep, password: &Secret) -> Result<(), KeepError> {
    let users = user_with_password(&keep.load(Bucket::User)?, password);
    let tokens = keep.load(Bucket::Token)?;
    let gone: Vec<Change> = tokens
        .iter()
        .map(|(digest, _)| (digest.to_vec(), None))
        .collect();
    keep.put_now(Bucket::Token, gone)?;
    keep.put_now(Bucket::User, users)
}

/// Asks the API, as its owner; `path` is below `/api/v5`. Nothing is null.
///
/// # Errors
/// If no broker runs there, or it refuses.
pub fn ask(
    data_dir: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CallError> {
    let path = format!("{}{path}", crate::route::BASE);
    request(data_dir, method, &path, body)
}

fn call(data_dir: &Path, what: &str, body: &Value) -> Result<Value, CallError> {
    request(data_dir, "POST", &format!("/ctl/{what}"), Some(body))
}

fn request(
    data_dir: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CallError> {
    let text = fs::read(data_dir.join(NAME)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CallError::NotRunning,
        _ => CallError::Io(error),
    })?;
    let written: Written = serde_json::from_slice(&text).map_err(|_| CallError::NotRunning)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let answered = exchange(&written, &format!("{method} {path}"), &body);
    let answered = answered.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => CallError::NotRunning,
        _ => CallError::Io(error),
    })?;
    let status = answered.split(' ').nth(1).unwrap_or_default();
    let told = answered.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(told);
    }
    match (status, told["message"].as_str()) {
        // Another program has the port now, or another broker.
        ("401", _) | ("404", None) => Err(CallError::NotRunning),
        (_, words) => {
            let words = words.unwrap_or("the broker did not say why");
            Err(CallError::Refused(words.to_owned()))
        }
    }
}

fn exchange(written: &Written, what: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&written.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Version 1.0 ends an answer with the connection.
    let request = format!(
        "{what} HTTP/1.0\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        written.address,
        written.token,
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_its_owners_and_goes_with_the_process() {
        let dir = std::env::temp_dir().join(format!("ternmq-control-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{NAME}.new")), "half").unwrap();
        let token = Secret::random();
        let bound = "0.0.0.0:18083".parse().unwrap();
        let file = ControlFile::write(&dir, bound, &token).unwrap();
        let text = fs::read(dir.join(NAME)).unwrap();
        let written: Written = serde_json::from_slice(&text).unwrap();
        assert_eq!(written.address, "127.0.0.1:18083".parse().unwrap());
        assert_eq!(written.token, token.reveal());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(file);
        assert!(matches!(trust(&dir, &[]), Err(CallError::NotRunning)));
        fs::remove_dir_all(&dir).unwrap();
    }
}
