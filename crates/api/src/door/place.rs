//! Where a request comes from and under which name it asks: judged before anybody is asked who they are.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts, uri::Authority},
};

use super::{
    caller, host,
    notice::{Notice, Turned, code},
    rule::{Rule, Who},
};
use broker::lan::{Distance, distance};

use crate::{App, error::Refusal};

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    pub(crate) is_near: bool,
    /// It looks so, and anybody may be behind it.
    pub(crate) is_gateway: bool,
}

impl Visitor {
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, app: &App) -> Self {
        let address = peer.to_canonical();
        // A proxy here makes everybody look near. What it says of them can only make them farther.
        let behind = forwarded(headers);
        let (is_near, is_gateway) = app.admin.look(|config| {
            let from = distance(address, &config.lan_guard);
            let near = |address| distance(address, &config.lan_guard).is_near();
            let is_near = from.is_near() && behind.is_none_or(|behind| behind.is_some_and(near));
            (is_near, from == Distance::Gateway)
        });
        Self {
            address,
            is_near,
            is_gateway,
        }
    }
}

/// The last address that a proxy added, if there is a proxy: that is the one which it saw itself.
fn forwarded(headers: &HeaderMap) -> Option<Option<IpAddr>> {
    if let Some(last) = headers.get_all("x-forwarded-for").iter().next_back() {
        let last = last.to_str().unwrap_or_default();
        let last = last.rsplit(',').next().unwrap_or_default().trim();
        let address = last
            .parse()
            .or_else(|_| last.parse().map(|a: SocketAddr| a.ip()));
        return Some(address.ok());
    }
    // Nobody's but a proxy's, and not worth reading: it is far then.
    headers.contains_key(header::FORWARDED).then_some(None)
}

fn authority(request: &Request) -> Option<&str> {
    let named = request.uri().authority().map(Authority::as_str);
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    named.or(host)
}

pub(super) fn must_be_our_name(app: &App, request: &Request) -> Result<(), Turned> {
    let name = authority(request).unwrap_or_default();
    let is_ours = app
        .admin
        .look(|config| host::is_ours(name, &app.door.own_names, &config.dashboard.allowed_hosts));
    if is_ours {
        return Ok(());
    }
    let refusal = Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "MISDIRECTED_REQUEST",
        "this server does not go by that name; ask by its IP address, or list the name in the \
         setting dashboard.allowed_hosts",
    );
    let (name, setting) = (code(name), code("dashboard.allowed_hosts"));
    let notice = Notice {
        zh: vec![
            format!("这台服务器不认识主机名 {name}。"),
            format!("请用 IP 地址访问，或把该主机名加入配置项 {setting}。"),
        ],
        en: vec![
            format!("This server does not go by the name {name}."),
            format!("Ask for it by its IP address, or add the name to the setting {setting}."),
        ],
    };
    Err(Turned::with_page(refusal, notice))
}

pub(super) fn must_be_our_page(app: &App, request: &Request) -> Result<(), Turned> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match headers.get(header::ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| {
            let authority = authority(request).unwrap_or_default();
            app.admin.look(|config| {
                host::is_own_page(origin, authority, &config.dashboard.allowed_hosts)
            })
        }),
        // Pictures and scripts of other pages have no Origin; a link that a person follows may lead here.
        None => {
            !matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"))
                || text("sec-fetch-mode") == Some("navigate") && *request.method() == Method::GET
        }
    };
    if is_own {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "FOREIGN_PAGE",
        "a web page of another host asked for this; if it is yours, list its host in the setting \
         dashboard.allowed_hosts",
    )
    .into())
}

/// While anybody could sign in with the default password, only those near may come in.
pub(super) fn must_be_reachable(
    app: &App,
    request: &Request,
    visitor: Visitor,
    rule: Rule,
) -> Result<(), Turned> {
    // Probes learn no more than that it runs; and who owns the data directory may come from anywhere.
    let is_free = request.uri().path().ends_with("/status") || rule.who == Who::Owner;
    if visitor.is_near || is_free || !app.accounts.is_password_known() {
        return Ok(());
    }
    // The link of the log is followed from anywhere: the page and the way to sign in are there for it, and
    // signing in takes nothing else from afar.
    let follows_link = || {
        rule.who == Who::Anybody || {
            let token = caller::shown_token(request);
            token.is_some_and(|token| app.accounts.is_of_link(&token))
        }
    };
    if app.accounts.has_link() && follows_link() {
        return Ok(());
    }
    let refusal = far(visitor);
    let address = code(&visitor.address.to_string());
    let trust = code(&format!("ternmq ctl trust {}", visitor.address));
    let reset = code("ternmq reset-password");
    let (here, place) = if visitor.is_gateway {
        (
            format!("您的地址显示为 {address}，即本容器的网关；任何来源都可能显示为该地址。"),
            format!(
                "You seem to come from {address}, the gateway of this container, as everybody may."
            ),
        )
    } else {
        (
            format!("您的地址是 {address}，它不是本机或局域网地址。"),
            format!("Your address is {address}, which is neither local nor private."),
        )
    };
    let notice = Notice {
        zh: vec![
            here,
            "管理员密码尚未设置，因此控制台只接受本机与局域网的访问。".to_owned(),
            format!("请在服务器上运行 {trust} 以信任该地址，或运行 {reset} 设置密码。"),
        ],
        en: vec![
            place,
            "No administrator password was set yet, so the dashboard is open to local and private \
             addresses only."
                .to_owned(),
            format!(
                "On the server, run {trust} to trust this address, or {reset} to set a password."
            ),
        ],
    };
    Err(Turned::with_page(refusal, notice))
}

/// What somebody from a public address is told while no password was set.
pub(crate) fn far(visitor: Visitor) -> Refusal {
    let address = visitor.address;
    let place = if visitor.is_gateway {
        "the gateway of this container, behind which anybody may be"
    } else {
        "neither local nor private"
    };
    let trust = if visitor.is_gateway {
        "set lan_guard.gateway = \"trust\" (TERNMQ__LAN_GUARD__GATEWAY=trust), or: "
    } else {
        ""
    };
    Refusal::new(
        StatusCode::FORBIDDEN,
        "ADDRESS_NOT_ALLOWED",
        format!(
            "no administrator password was set yet, so {address} is refused, which is {place}; on the server, \
             {trust}run: ternmq ctl trust {address} (to trust it), or: ternmq reset-password (to set a password)"
        ),
    )
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let visitor = parts.extensions.get::<Self>().copied();
        Ok(visitor.expect("the door puts it into every request that it lets in"))
    }
}
