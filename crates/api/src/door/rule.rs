//! Who may call what: decided here alone, from the method and the path's template. What no line names
//! needs an administrator to change it and a viewer to look at it.

use axum::http::Method;

use crate::route::BASE;

/// Who a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anybody,
    /// Anybody at a near address; from elsewhere, whoever is signed in.
    Near,
    /// The same in the profile `home`; elsewhere whoever is signed in.
    NearAtHome,
    /// Whoever is signed in, or has a key.
    Viewer,
    Administrator,
    /// An administrator, or the user whom the path names.
    Oneself,
    /// Whoever can read the data directory.
    Owner,
}

/// What a call needs, and what it may bring along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) who: Who,
    /// API keys are refused, whatever their role.
    pub(crate) people_only: bool,
    /// Allowed while the default password is in use.
    pub(crate) before_password: bool,
    pub(crate) body: Body,
    /// Told in the audit log.
    pub(crate) audited: bool,
    /// Whoever calls wants to become somebody.
    pub(crate) signs_in: bool,
    /// A wall display needs it.
    pub(crate) on_wall: bool,
}

/// How a body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Whole, before the handler begins: so many bytes, within ten seconds.
    Whole(usize),
    /// As it comes; the handler bounds it.
    Stream,
}

/// A body, unless told otherwise.
const BODY_MAX: usize = 1 << 20;
/// Of those who did not say yet who they are.
const STRANGER_BODY_MAX: usize = 16 << 10;
/// Several messages as large as MQTT allows them by default, as base64.
const PUBLISH_BODY_MAX: usize = 8 << 20;
/// A file of a hundred thousand users.
const USERS_BODY_MAX: usize = 32 << 20;

/// The rule of a method at a template such as `/api/v5/users/{username}`. `path` is what was asked
/// for where no template fits it.
pub(crate) fn rule(method: &Method, template: Option<&str>, path: &str) -> Rule {
    let looks = matches!(*method, Method::GET | Method::HEAD);
    let at = template.unwrap_or(path);
    let Some(at) = at
        .strip_prefix(BASE)
        .filter(|at| at.is_empty() || at.starts_with('/'))
    else {
        return outside(at, looks);
    };
    // In no template: whoever is not signed in learns nothing of what there is.
    let mut rule = Rule::of(if looks {
        Who::Viewer
    } else {
        Who::Administrator
    });
    rule.audited = !looks;
    rule.before_password = looks;
    let mut segments = at.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    let last = segments.last();
    match (first, last) {
        ("login", None) if !looks => {
            rule = Rule::public();
            rule.audited = true;
            rule.signs_in = true;
        }
        ("login" | "status" | "error_codes", _) => rule = Rule::public(),
        ("prometheus", Some(_)) if looks => rule.who = Who::NearAtHome,
        ("certificate", None) if looks => rule.who = Who::Near,
        ("logout", _) => {
            rule.who = Who::Viewer;
            rule.people_only = true;
            rule.before_password = true;
        }
        // Changes nothing, and what it lets its holder do goes by the role.
        ("mqtt_ticket", _) => {
            rule.who = Who::Viewer;
            rule.people_only = true;
            rule.audited = false;
        }
        // A question that has a body.
        ("authorization", Some("check")) => {
            rule.who = Who::Viewer;
            rule.before_password = true;
            rule.audited = false;
        }
        ("users", Some("change_pwd")) => {
            rule.who = Who::Oneself;
            rule.people_only = true;
            rule.before_password = true;
        }
        ("users" | "api_key", _) => rule.people_only = true,
        ("authentication", Some("import_users")) => rule.body = Body::Whole(USERS_BODY_MAX),
        // Backups hold everything, and the audit log says what others do.
        ("audit", _) => rule.who = Who::Administrator,
        ("data", _) => {
            rule.who = Who::Administrator;
            if last == Some("files") {
                rule.body = Body::Stream;
            }
        }
        // What one's own page shows.
        ("live", _) => {
            rule.who = Who::Viewer;
            rule.before_password = true;
            rule.audited = false;
            rule.on_wall = true;
        }
        ("monitor_seconds", None) => rule.on_wall = true,
        ("publish", _) => rule.body = Body::Whole(PUBLISH_BODY_MAX),
        _ => {}
    }
    rule
}

/// What is not part of the versioned API.
fn outside(at: &str, looks: bool) -> Rule {
    if let Some(what) = at.strip_prefix(CTL) {
        return Rule {
            // A question changes nothing.
            audited: what != "check",
            ..Rule::of(Who::Owner)
        };
    }
    if looks {
        return Rule::public();
    }
    Rule::of(Who::Administrator)
}

/// Where `ternmq ctl` calls.
pub(crate) const CTL: &str = "/ctl/";

impl Rule {
    fn of(who: Who) -> Self {
        Self {
            who,
            people_only: false,
            before_password: false,
            body: Body::Whole(BODY_MAX),
            audited: false,
            signs_in: false,
            on_wall: false,
        }
    }

    fn public() -> Self {
        Self {
            body: Body::Whole(STRANGER_BODY_MAX),
            before_password: true,
            ..Self::of(Who::Anybody)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_call_what() {
        let table = [
            ("POST", "/api/v5/login", Who::Anybody, false, true),
            ("GET", "/api/v5/status", Who::Anybody, false, true),
            ("GET", "/status", Who::Anybody, false, true),
            (
                "GET",
                "/api/v5/error_codes/{code}",
                Who::Anybody,
                false,
                true,
            ),
            ("GET", "/api-docs/swagger.json", Who::Anybody, false, true),
            ("GET", "/", Who::Anybody, false, true),
            ("POST", "/", Who::Administrator, false, false),
            (
                "GET",
                "/api/v5/prometheus/stats",
                Who::NearAtHome,
                false,
                true,
            ),
            ("GET", "/api/v5/certificate", Who::Near, false, true),
            ("GET", "/api/v5/prometheus", Who::Viewer, false, true),
            (
                "PUT",
                "/api/v5/prometheus",
                Who::Administrator,
                false,
                false,
            ),
            ("GET", "/api/v5/clients", Who::Viewer, false, true),
            ("HEAD", "/api/v5/clients", Who::Viewer, false, true),
            (
                "DELETE",
                "/api/v5/clients/{clientid}",
                Who::Administrator,
                false,
                false,
            ),
            (
                "OPTIONS",
                "/api/v5/clients",
                Who::Administrator,
                false,
                false,
            ),
            ("POST", "/api/v5/logout", Who::Viewer, true, true),
            ("GET", "/api/v5/users", Who::Viewer, true, true),
            ("POST", "/api/v5/users", Who::Administrator, true, false),
            (
                "PUT",
                "/api/v5/users/{username}",
                Who::Administrator,
                true,
                false,
            ),
            (
                "PUT",
                "/api/v5/users/{username}/change_pwd",
                Who::Oneself,
                true,
                true,
            ),
            (
                "POST",
                "/api/v5/users/{username}/change_pwd",
                Who::Oneself,
                true,
                true,
            ),
            ("GET", "/api/v5/api_key/{name}", Who::Viewer, true, true),
            (
                "DELETE",
                "/api/v5/api_key/{name}",
                Who::Administrator,
                true,
                false,
            ),
            ("POST", "/api/v5/mqtt_ticket", Who::Viewer, true, false),
            (
                "POST",
                "/api/v5/authorization/check",
                Who::Viewer,
                false,
                true,
            ),
            ("GET", "/mqtt", Who::Anybody, false, true),
            ("GET", "/api/v5/audit", Who::Administrator, false, true),
            (
                "GET",
                "/api/v5/data/files/{filename}",
                Who::Administrator,
                false,
                true,
            ),
            (
                "POST",
                "/api/v5/data/files",
                Who::Administrator,
                false,
                false,
            ),
            ("POST", "/ctl/trust", Who::Owner, false, false),
        ];
        for (method, template, who, people_only, before_password) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let rule = rule(&method, Some(template), "");
            assert_eq!(rule.who, who, "{method} {template}");
            assert_eq!(rule.people_only, people_only, "{method} {template}");
            assert_eq!(rule.before_password, before_password, "{method} {template}");
        }
    }

    #[test]
    fn a_wall_display_needs_little() {
        let needs = |method: Method, template| rule(&method, Some(template), "").on_wall;
        assert!(needs(Method::GET, "/api/v5/live"));
        assert!(needs(Method::POST, "/api/v5/live/{id}"));
        assert!(needs(Method::GET, "/api/v5/monitor_seconds"));
        for other in ["clients", "topic_tree", "users", "settings"] {
            let other = format!("/api/v5/{other}");
            assert!(!rule(&Method::GET, Some(&other), "").on_wall, "{other}");
        }
    }

    #[test]
    fn what_does_not_exist_is_told_only_to_those_who_are_signed_in() {
        assert_eq!(rule(&Method::GET, None, "/api/v5/nothing").who, Who::Viewer);
        assert_eq!(rule(&Method::GET, None, "/api/v5").who, Who::Viewer);
        assert_eq!(
            rule(&Method::POST, None, "/api/v5/login/").who,
            Who::Anybody
        );
        assert_eq!(rule(&Method::GET, None, "/api/v5x").who, Who::Anybody);
        assert_eq!(rule(&Method::GET, None, "/favicon.ico").who, Who::Anybody);
    }

    #[test]
    fn strangers_bring_little() {
        let body = |method, path| rule(&method, Some(path), "").body;
        assert_eq!(
            body(Method::POST, "/api/v5/login"),
            Body::Whole(STRANGER_BODY_MAX)
        );
        assert_eq!(
            body(Method::PUT, "/api/v5/mqtt/delayed"),
            Body::Whole(BODY_MAX)
        );
        assert_eq!(
            body(Method::POST, "/api/v5/publish/bulk"),
            Body::Whole(PUBLISH_BODY_MAX)
        );
        assert_eq!(
            body(Method::POST, "/api/v5/authentication/{id}/import_users"),
            Body::Whole(USERS_BODY_MAX)
        );
        assert_eq!(body(Method::POST, "/api/v5/data/files"), Body::Stream);
    }
}
