//! The audit log: who changed what, from where, with which result. The last ones are kept; secrets never
//! get into it.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
};
use broker::admin::{Bucket, Keep};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::door::{Caller, Kind};

/// Entries that are kept.
const ENTRIES_MAX: usize = 10_000;
/// Of a request's body, as text.
const BODY_MAX: usize = 1_024;
/// Of a path.
const PATH_MAX: usize = 512;
/// Instead of a secret.
const MASK: &str = "******";

/// Where a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum From {
    Dashboard,
    RestApi,
    Cli,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) from: From,
    /// User or key.
    pub(crate) source: String,
    pub(crate) source_ip: IpAddr,
    /// The path's template.
    pub(crate) operation_id: String,
    pub(crate) http_method: String,
    pub(crate) http_status_code: u16,
    pub(crate) duration_ms: u64,
    /// The path as it was asked for.
    pub(crate) path: String,
    /// Without secrets; cut if it is long.
    pub(crate) body: Option<Value>,
}

pub(crate) struct Audit {
    keep: Keep,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    entries: VecDeque<Record>,
    /// Number of the first of them.
    first: u64,
}

impl Audit {
    /// What the store has of it. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn load(keep: Keep) -> std::io::Result<Self> {
        let kept = keep.load(Bucket::Audit).map_err(std::io::Error::other)?;
        let mut entries: Vec<(u64, Record)> = kept
            .iter()
            .filter_map(|(number, value)| {
                let number: [u8; 8] = (**number).try_into().ok()?;
                let record = serde_json::from_slice(value).ok()?;
                Some((u64::from_be_bytes(number), record))
            })
            .collect();
        entries.sort_unstable_by_key(|(number, _)| *number);
        let mut log = Log::default();
        if let Some((last, _)) = entries.last() {
            // Numbers may be missing in between, for damage; the next one must be new all the same.
            log.first = (last + 1).saturating_sub(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        }
        log.entries = entries.into_iter().map(|(_, record)| record).collect();
        Ok(Self {
            keep,
            log: Mutex::new(log),
        })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, which is in the store when this returns.
    pub(crate) async fn add(&self, record: Record) {
        let value = serde_json::to_vec(&record).expect("texts and numbers become JSON");
        let put = {
            let mut log = self.log();
            let number = log.first + u64::try_from(log.entries.len()).unwrap_or(u64::MAX);
            log.entries.push_back(record);
            let mut put = vec![(number.to_be_bytes().to_vec(), Some(value))];
            while log.entries.len() > ENTRIES_MAX {
                log.entries.pop_front();
                put.push((log.first.to_be_bytes().to_vec(), None));
                log.first += 1;
            }
            put
        };
        if let Err(error) = self.keep.put(Bucket::Audit, put).await {
            tracing::warn!("an entry of the audit log is not kept: {error}");
        }
    }

    /// Those that fit, newest first.
    pub(crate) fn find(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let log = self.log();
        log.entries
            .iter()
            .rev()
            .filter(|record| fits(record))
            .cloned()
            .collect()
    }
}

/// A call whose end is not known yet.
pub(crate) struct Entry {
    began: Instant,
    method: Method,
    operation_id: String,
    path: String,
    is_browser: bool,
}

impl Entry {
    pub(crate) fn begin(request: &Request, template: Option<&str>) -> Self {
        let path = request.uri().path();
        let short = |text: &str| text[..text.floor_char_boundary(PATH_MAX)].to_owned();
        let template = template.unwrap_or(path);
        let id = template
            .strip_prefix(crate::route::BASE)
            .unwrap_or(template);
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            operation_id: short(id),
            path: short(path),
            is_browser: request.headers().contains_key("sec-fetch-mode"),
        }
    }

    pub(crate) fn end(
        self,
        caller: &Caller,
        at: u64,
        body: Option<&[u8]>,
        status: StatusCode,
    ) -> Record {
        let from = match caller.kind {
            Kind::Owner => From::Cli,
            Kind::User if self.is_browser => From::Dashboard,
            Kind::User | Kind::Key => From::RestApi,
        };
        Record {
            at,
            from,
            source: caller.name.clone(),
            source_ip: caller.address,
            operation_id: self.operation_id,
            http_method: self.method.as_str().to_ascii_lowercase(),
            http_status_code: status.as_u16(),
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            path: self.path,
            body: body.and_then(shown),
        }
    }
}

/// A body without its secrets. What is no JSON may be anything, and is not told.
fn shown(body: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    mask(&mut value);
    let text = value.to_string();
    if text.len() <= BODY_MAX {
        return Some(value);
    }
    let head = &text[..text.floor_char_boundary(BODY_MAX)];
    Some(Value::String(format!("{head}... ({} bytes)", body.len())))
}

/// Hides what stands under a name of secrets. The depth was bounded by the door.
fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => mask_fields(fields),
        _ => {}
    }
}

fn mask_fields(fields: &mut Map<String, Value>) {
    const SECRET: [&str; 8] = [
        "authorization",
        "passphrase",
        "password",
        "passwd",
        "private",
        "pwd",
        "secret",
        "token",
    ];
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if SECRET.iter().any(|word| name.contains(word)) {
            *value = Value::String(MASK.to_owned());
        } else {
            mask(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let body = br#"{"a":[{"Old_PWD":"x1","new_pwd":{"b":"x2"}}],"api_secret":"x3","n":1}"#;
        let shown = shown(body).unwrap().to_string();
        assert_eq!(
            shown,
            r#"{"a":[{"Old_PWD":"******","new_pwd":"******"}],"api_secret":"******","n":1}"#
        );
    }

    #[test]
    fn long_bodies_are_cut_and_others_not_told() {
        let long = format!("{{\"a\":\"{}\"}}", "好".repeat(1000));
        let Some(Value::String(text)) = shown(long.as_bytes()) else {
            panic!("not cut")
        };
        assert!(
            text.len() < BODY_MAX + 32 && text.ends_with("(3008 bytes)"),
            "{text}"
        );
        assert_eq!(shown(b"secret = 1"), None);
        assert_eq!(shown(b""), None);
    }
}
