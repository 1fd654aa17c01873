//! What is said to those who are turned away: to programs code and message, to a person with a browser
//! a short page in Chinese and English. Whatever comes from outside is escaped.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::error::Refusal;

/// Turned away at the door.
pub(super) struct Turned {
    refusal: Refusal,
    notice: Option<Notice>,
    /// Whether to say how one signs in.
    asks: bool,
}

/// What a page says: paragraphs of HTML in both languages.
pub(super) struct Notice {
    pub(super) zh: Vec<String>,
    pub(super) en: Vec<String>,
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            notice: None,
            asks: false,
        }
    }
}

impl Turned {
    pub(super) fn with_page(refusal: Refusal, notice: Notice) -> Self {
        Self {
            notice: Some(notice),
            ..refusal.into()
        }
    }

    pub(super) fn asking(refusal: Refusal) -> Self {
        Self {
            asks: true,
            ..refusal.into()
        }
    }

    /// `headers` are the request's.
    pub(super) fn response(self, headers: &HeaderMap) -> Response {
        let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
        let is_person = accept.is_some_and(|accept| accept.contains("text/html"));
        if let Some(notice) = self.notice.filter(|_| is_person) {
            return notice.response(self.refusal.status);
        }
        let mut response = self.refusal.into_response();
        // A browser would ask its person for a name and a password that do not help here.
        if self.asks && !headers.contains_key("sec-fetch-mode") {
            let basic = HeaderValue::from_static("Basic Realm=\"ternmq-dashboard\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

impl Notice {
    fn response(&self, status: StatusCode) -> Response {
        let paragraphs = |lines: &[String]| -> String {
            let lines = lines.iter().map(|line| format!("<p>{line}</p>\n"));
            lines.collect()
        };
        let page = format!(
            "<!doctype html>\n<html lang=\"zh\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>TernMQ</title>\n\
             {}<hr>\n<div lang=\"en\">\n{}</div>\n</html>\n",
            paragraphs(&self.zh),
            paragraphs(&self.en)
        );
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, kind, page).into_response()
    }
}

/// A text of others, or a command, as it stands in a page.
pub(super) fn code(text: &str) -> String {
    let mut escaped = String::from("<code>");
    for c in text.chars().take(256) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_has_no_meaning() {
        let shown = code("<script>alert('1')</script>&\"");
        assert_eq!(
            shown,
            "<code>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;</code>"
        );
    }
}
