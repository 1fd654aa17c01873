//! The dashboard's files, as `build.rs` found them: served from the binary, compressed where the browser
//! takes that, kept for good under names that carry their content's hash.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};

pub(crate) struct File {
    name: &'static str,
    /// Its ETag.
    mark: &'static str,
    plain: &'static [u8],
    /// By gzip; absent where that saves nothing.
    packed: Option<&'static [u8]>,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// Where files lie whose names carry their hash.
const HASHED: &str = "assets/";

/// A file of the dashboard, or its page for the paths that the page itself knows. A program that asks for
/// one of these is not meant to read a page.
pub(crate) fn find(path: &str, is_browser: bool) -> Option<&'static File> {
    let found = file(path.trim_start_matches('/'));
    let is_page = path == "/" || is_browser && is_page(path);
    found.or_else(|| is_page.then(|| file("index.html")).flatten())
}

fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// Whether the dashboard has a page there; the list is its own, and names stand in quotes in it.
fn is_page(path: &str) -> bool {
    const PAGES: &str = include_str!("../../../web/src/app/pages.json");
    let fits = |b: u8| b.is_ascii_lowercase() || b == b'-' || b == b'/';
    path.bytes().all(fits) && PAGES.contains(&format!("\"{path}\""))
}

impl File {
    pub(crate) fn response(&self, headers: &HeaderMap) -> Response {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let kept = if self.name.starts_with(HASHED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let about = [
            (header::CACHE_CONTROL, kept),
            (header::ETAG, self.mark),
            (header::VARY, "accept-encoding"),
        ];
        if text(header::IF_NONE_MATCH).is_some_and(|known| known.contains(self.mark)) {
            return (StatusCode::NOT_MODIFIED, about).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind())];
        let packed = self.packed.filter(|_| {
            let accepted = text(header::ACCEPT_ENCODING).unwrap_or_default();
            accepted.split(',').any(|coding| coding.trim() == "gzip")
        });
        match packed {
            Some(packed) => {
                let coding = [(header::CONTENT_ENCODING, "gzip")];
                (about, kind, coding, packed).into_response()
            }
            None => (about, kind, self.plain).into_response(),
        }
    }

    fn kind(&self) -> &'static str {
        let (_, end) = self.name.rsplit_once('.').unwrap_or_default();
        match end {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "webmanifest" => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Option<Response> {
        let headers = headers.iter().map(|(name, value)| {
            let value = value.parse().expect("a header");
            (name.clone(), value)
        });
        find(path, true).map(|file| file.response(&headers.collect()))
    }

    fn told(response: &Response, name: header::HeaderName) -> &str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_file_has_a_type_and_scripts_are_kept_for_good() {
        assert!(file("index.html").is_some());
        for file in FILES {
            assert_ne!(file.kind(), "application/octet-stream", "{}", file.name);
            let answer = ask(&format!("/{}", file.name), &[]).expect("it is there");
            assert_eq!(answer.status(), StatusCode::OK);
            let immutable = told(&answer, header::CACHE_CONTROL).ends_with("immutable");
            assert_eq!(immutable, file.name.starts_with(HASHED), "{}", file.name);
        }
        assert!(
            FILES
                .iter()
                .any(|file| file.name.starts_with(HASHED) && file.packed.is_some())
        );
    }

    #[test]
    fn pages_are_one_and_nothing_else_is() {
        for page in ["/", "/clients", "/connection-log", "/clients/detail"] {
            let answer = ask(page, &[(header::ACCEPT_ENCODING, "br, gzip")]).expect("it is a page");
            assert_eq!(
                told(&answer, header::CONTENT_TYPE),
                "text/html; charset=utf-8"
            );
            assert_eq!(told(&answer, header::CONTENT_ENCODING), "gzip");
        }
        for other in [
            "/..%2f",
            "/%00",
            "/a\\b",
            "/x.js",
            "/assets/x.js",
            "/..",
            "x",
        ] {
            assert!(ask(other, &[]).is_none(), "{other}");
        }
        assert!(find("/", false).is_some() && find("/clients", false).is_none());
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let mark = file("index.html").unwrap().mark;
        let status = |known| ask("/", &[(header::IF_NONE_MATCH, known)]).map(|a| a.status());
        assert_eq!(status(mark), Some(StatusCode::NOT_MODIFIED));
        assert_eq!(status("\"x\""), Some(StatusCode::OK));
    }
}
