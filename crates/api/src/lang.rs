//! The language of sentences in answers: as asked for by `lang`, else as the browser says, else English.

use axum::http::{HeaderMap, header};
use broker::admin::observe::Lang;

/// `wanted` is the query's word for it.
pub(crate) fn of(wanted: Option<&str>, headers: &HeaderMap) -> Lang {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    // A browser's first language is the one it likes best.
    let first = wanted.or(accepted).unwrap_or_default().trim_start();
    if first
        .get(..2)
        .is_some_and(|two| two.eq_ignore_ascii_case("zh"))
    {
        Lang::Zh
    } else {
        Lang::En
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_or_accepted() {
        let table = [
            (None, None, Lang::En),
            (None, Some("zh-CN,zh;q=0.9,en;q=0.8"), Lang::Zh),
            (None, Some("en-GB,zh;q=0.5"), Lang::En),
            (Some("en"), Some("zh-CN"), Lang::En),
            (Some("zh"), None, Lang::Zh),
            (Some("ZH_cn"), Some("en"), Lang::Zh),
            (Some("中"), None, Lang::En),
        ];
        for (wanted, accepted, due) in table {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            }
            assert_eq!(of(wanted, &headers), due, "{wanted:?} {accepted:?}");
        }
    }
}
