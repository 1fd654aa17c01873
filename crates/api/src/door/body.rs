//! Bodies of requests, taken whole before a handler sees them: bounded in bytes, in time, and JSON also
//! in depth.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::BodyExt as _;

use crate::error::Refusal;

/// For a whole body to come.
const TIME: Duration = Duration::from_secs(10);
/// Objects and arrays within each other.
const DEPTH_MAX: usize = 64;
/// What is read on of a body that is too large, so that its sender gets to read why.
const DISCARD_MAX: usize = 16 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

pub(super) async fn take(body: Body, headers: &HeaderMap, max: usize) -> Result<Bytes, Refusal> {
    let told: Option<u64> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    let max_told = u64::try_from(max).unwrap_or(u64::MAX);
    if told.is_some_and(|told| told > max_told) {
        discard(body).await;
        return Err(too_large(max));
    }
    let bytes = match tokio::time::timeout(TIME, collect(body, max)).await {
        Ok(collected) => collected?,
        Err(_) => {
            return Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "REQUEST_TIMEOUT",
                "the body did not arrive within 10 s",
            ));
        }
    };
    if is_too_deep(&bytes) {
        return Err(Refusal::bad_request(format!(
            "the body nests objects and arrays deeper than {DEPTH_MAX}"
        )));
    }
    Ok(bytes)
}

async fn collect(mut body: Body, max: usize) -> Result<Bytes, Refusal> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::bad_request("the body was cut off or malformed"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > max {
            discard(body).await;
            return Err(too_large(max));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

async fn discard(mut body: Body) {
    let read = async {
        let mut left = DISCARD_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Who sends on after that meets a closed connection.
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

fn too_large(max: usize) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "PAYLOAD_TOO_LARGE",
        format!("the body is larger than {max} bytes"),
    )
}

/// Whether JSON nests too deep; of other texts it may be true or false.
fn is_too_deep(bytes: &[u8]) -> bool {
    let begins = bytes.iter().find(|b| !b.is_ascii_whitespace());
    if !matches!(begins, Some(b'{' | b'[')) {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_of_texts() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!is_too_deep(deep(DEPTH_MAX).as_bytes()));
        assert!(is_too_deep(deep(DEPTH_MAX + 1).as_bytes()));
        assert!(is_too_deep("{\"a\":".repeat(100_000).as_bytes()));
        let text = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(1000));
        assert!(!is_too_deep(text.as_bytes()));
        let flat = format!("[{}]", "[],".repeat(1000));
        assert!(!is_too_deep(flat.as_bytes()));
        assert!(!is_too_deep(b"plain [[[ text") && !is_too_deep(b""));
    }
}
