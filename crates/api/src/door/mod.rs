//! The front door: what every request passes before a handler sees it, and every answer on its way out.
//! Handlers ask for nothing of this themselves.

mod body;
mod caller;
mod host;
mod notice;
mod place;
mod rule;
mod seat;
mod shape;

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{
    App,
    account::Secret,
    audit::{self, Actor},
    error::Refusal,
};
use notice::Turned;
use rule::{Body, Rule};

pub(crate) use caller::{COOKIE, Caller, Kind};
pub(crate) use place::{Visitor, far};
pub(crate) use seat::Seat;
pub(crate) use shape::document;

pub(crate) struct Door {
    own_names: Vec<String>,
    /// What the owner of the data directory shows.
    owner: Secret,
    seats: seat::Seats,
}

impl Door {
    pub(crate) fn new(owner: Secret) -> Self {
        Self {
            own_names: host::own_names(),
            owner,
            seats: seat::Seats::default(),
        }
    }
}

/// All that happens to a request, in this order.
pub(crate) async fn enter(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let visitor = Visitor::of(peer.ip(), request.headers(), &app);
    let template = request.extensions().get::<MatchedPath>().cloned();
    let template = template.as_ref().map(MatchedPath::as_str);
    let rule = rule::rule(request.method(), template, request.uri().path());
    let asked = Asked::of(&request);
    let entry = audit::Entry::begin(&request, template);
    let caller = match admit(&app, &request, visitor, rule) {
        Ok(caller) => caller,
        Err(turned) => return with_headers(turned.response(request.headers()), asked),
    };
    let (mut parts, incoming) = request.into_parts();
    let (body, bytes) = match rule.body {
        Body::Stream => (incoming, None),
        Body::Whole(max) => match body::take(incoming, &parts.headers, max).await {
            Ok(bytes) => (bytes.clone().into(), Some(bytes)),
            Err(refusal) => return with_headers(refusal.into_response(), asked),
        },
    };
    parts.extensions.insert(visitor);
    if let Some(caller) = &caller {
        parts.extensions.insert(caller.clone());
    }
    request = Request::from_parts(parts, body);
    let handled = async move {
        let changing = rule
            .audited
            .then(|| audit::Call::begin(&app.audit, &app.admin));
        let response = shape::as_json(next.run(request).await, asked.is_api).await;
        let answer = audit::Answer::of(&response);
        let actor = match (caller, &bytes) {
            _ if !rule.audited => None,
            (_, Some(bytes)) if rule.signs_in => {
                audit::attempted(bytes, answer.status).map(|name| Actor {
                    name,
                    kind: Kind::User,
                    address: visitor.address,
                })
            }
            (caller, _) => caller.map(|caller| Actor {
                name: caller.name,
                kind: caller.kind,
                address: caller.address,
            }),
        };
        if let Some(actor) = actor {
            let at = app.admin.now_millis();
            let record = entry.end(&actor, at, bytes.as_deref(), &answer);
            app.audit.add(record.clone()).await;
            if let Some(changing) = changing {
                changing.end(&app.admin, &record);
            }
        }
        response
    };
    if !rule.audited {
        return with_headers(handled.await, asked);
    }
    // A caller that goes away takes the future of its request along: what changes something is not left
    // half done by that, and is told in the audit log all the same.
    let response = tokio::spawn(handled).await.unwrap_or_else(|_| {
        let words = "a fault of the server; its log has more";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", words).into_response()
    });
    with_headers(response, asked)
}

/// Whether it may come in, and who it is.
fn admit(
    app: &App,
    request: &Request,
    visitor: Visitor,
    rule: Rule,
) -> Result<Option<Caller>, Turned> {
    place::must_be_our_name(app, request)?;
    place::must_be_our_page(app, request)?;
    place::must_be_reachable(app, request, visitor, rule)?;
    let caller = caller::identify(app, request, visitor, rule)?;
    if let Some(caller) = &caller {
        caller::must_be_allowed(app, caller, request, rule)?;
    }
    Ok(caller)
}

/// What of a request its answer's headers depend on.
#[derive(Clone, Copy)]
struct Asked {
    is_api: bool,
    /// By a browser that takes this origin for trustworthy: one with HTTPS, or on this machine. Only those
    /// are told how they fetch, and by others the opener policy is complained about.
    is_trusted: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        Self {
            is_api: request.uri().path().starts_with(crate::route::BASE),
            is_trusted: request.headers().contains_key("sec-fetch-mode"),
        }
    }
}

/// What goes out with every answer.
fn with_headers(mut response: Response, asked: Asked) -> Response {
    const OPENER: &str = "cross-origin-opener-policy";
    const ALWAYS: [(&str, &str); 6] = [
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if asked.is_trusted {
        headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    }
    if asked.is_api {
        let kept = headers.contains_key(header::CACHE_CONTROL);
        if !kept {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
    response
}
