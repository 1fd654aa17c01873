//! Who comes in by which listener: what all settings that decide about it amount to, one line for each
//! listener, in both languages.

use super::judge::DASHBOARD;
use crate::config::{Config, Lang, Listener, ListenerId, NamedBy, Verify};

/// A line for each listener that is on, and one for the dashboard's own. `asked` are the authenticators in
/// their order, which only a running broker knows.
#[must_use]
pub fn doors(config: &Config, asked: Option<&[&str]>, lang: Lang) -> Vec<String> {
    let words = Words {
        config,
        asked,
        lang,
    };
    let enabled = config.listeners.iter().filter(|(_, l)| l.enabled);
    let mut lines: Vec<String> = enabled
        .map(|(id, listener)| words.line(&id.to_string(), words.of_listener(id, listener)))
        .collect();
    if config.dashboard.enabled {
        lines.push(words.line(DASHBOARD, words.of_dashboard()));
    }
    lines
}

struct Words<'a> {
    config: &'a Config,
    asked: Option<&'a [&'a str]>,
    lang: Lang,
}

impl Words<'_> {
    fn pick<T>(&self, en: T, zh: T) -> T {
        match self.lang {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    fn line(&self, id: &str, parts: Vec<String>) -> String {
        let (colon, between) = self.pick((": ", "; "), ("：", "；"));
        id.to_owned() + colon + &parts.join(between)
    }

    fn of_listener(&self, id: &ListenerId, listener: &Listener) -> Vec<String> {
        let verifies = id.transport.is_tls() && listener.ssl_options.verify == Verify::Peer;
        let mut parts = vec![self.encryption(id, listener)];
        if !listener.access_rules.iter().all(|rule| rule.allows_all()) {
            let rules = self.list(&listener.access_rules);
            parts.push(self.pick(format!("addresses: {rules}"), format!("地址：{rules}")));
        }
        if listener.proxy_protocol || listener.forwarded_for {
            let behind = self.pick(
                "addresses are those that proxies tell",
                "地址以代理所示为准",
            );
            parts.push(behind.to_owned());
        }
        parts.push(self.strangers());
        if verifies && let Some(name) = self.named() {
            parts.push(name);
        }
        parts.push(self.authenticators(listener.authenticators.as_deref()));
        parts
    }

    /// Besides the clients of its pages, whom it knows, it takes others as any WebSocket listener.
    fn of_dashboard(&self) -> Vec<String> {
        let users = self.pick("its users by their session", "控制台用户凭会话");
        vec![
            self.pick("no TLS", "无 TLS").to_owned(),
            users.to_owned(),
            self.strangers(),
            self.authenticators(None),
        ]
    }

    fn encryption(&self, id: &ListenerId, listener: &Listener) -> String {
        let options = &listener.ssl_options;
        let words = match (id.transport.is_tls(), options.verify) {
            (false, _) => self.pick("no TLS", "无 TLS"),
            (true, Verify::None) => self.pick("TLS", "TLS"),
            (true, Verify::Peer) if options.fail_if_no_peer_cert => self.pick(
                "TLS, nobody without a client certificate",
                "TLS，必须有客户端证书",
            ),
            (true, Verify::Peer) => self.pick(
                "TLS, client certificates are looked at",
                "TLS，校验客户端证书",
            ),
        };
        words.to_owned()
    }

    fn strangers(&self) -> String {
        if !self.config.mqtt.allow_anonymous {
            return self
                .pick("nobody without credentials", "必须有凭据")
                .to_owned();
        }
        let trusted = &self.config.lan_guard.trusted;
        let mut words = self
            .pick(
                "without credentials from private addresses",
                "私有地址可不带凭据",
            )
            .to_owned();
        let gateways = self.config.lan_guard.gateway.hiding();
        if !gateways.is_empty() {
            let gateways = self.list(&gateways);
            words += &self.pick(
                format!(" except {gateways}, behind which anybody may be"),
                format!("（{gateways} 除外，任何来源都可能显示为该地址）"),
            );
        }
        if !trusted.is_empty() {
            let trusted = self.list(trusted);
            words += &self.pick(format!(" and {trusted}"), format!("，{trusted} 亦可"));
        }
        words
    }

    fn named(&self) -> Option<String> {
        let what = match self.config.mqtt.peer_cert_as_username {
            NamedBy::Nothing => return None,
            NamedBy::CommonName => "CN",
            NamedBy::Subject => "DN",
            NamedBy::AlternativeName => "SAN",
        };
        Some(self.pick(
            format!("users by the {what} of their certificate"),
            format!("用户名取自证书 {what}"),
        ))
    }

    /// `only` are those of the listener, if those are not all.
    fn authenticators(&self, only: Option<&[String]>) -> String {
        let nobody = self.pick("no authenticator is asked", "不询问任何认证器");
        if only.is_some_and(<[String]>::is_empty) {
            return nobody.to_owned();
        }
        let Some(asked) = self.asked else {
            let unknown = self.pick(
                "authenticators are known to a running broker",
                "认证器在服务器运行时可知",
            );
            return unknown.to_owned();
        };
        let asked = asked.iter();
        let asked = asked.filter(|id| only.is_none_or(|only| only.iter().any(|one| one == *id)));
        let asked: Vec<_> = asked.copied().collect();
        if asked.is_empty() {
            return nobody.to_owned();
        }
        let asked = self.list(&asked);
        self.pick(
            format!("credentials are shown to {asked}"),
            format!("凭据依次由 {asked} 判断"),
        )
    }

    fn list(&self, items: &[impl ToString]) -> String {
        let items: Vec<_> = items.iter().map(ToString::to_string).collect();
        items.join(self.pick(", ", "、"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn told(sets: &[&str], asked: Option<&[&str]>, lang: Lang) -> Vec<String> {
        let sources = Sources {
            // Where this runs may be a container.
            sets: ["lan_guard.gateway=trust"]
                .iter()
                .chain(sets)
                .map(|set| (*set).to_owned())
                .collect(),
            ..Sources::default()
        };
        doors(&Config::load(&sources).unwrap().config, asked, lang)
    }

    #[test]
    fn a_new_installation_takes_its_neighbours() {
        let lines = told(&[], Some(&[]), Lang::En);
        let near = "without credentials from private addresses; no authenticator is asked";
        let expected = [
            format!("tcp:default: no TLS; {near}"),
            format!("ssl:default: TLS; {near}"),
            format!("ws:default: no TLS; {near}"),
            format!("wss:default: TLS; {near}"),
            format!("http:dashboard: no TLS; its users by their session; {near}"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_decides_is_told_for_each() {
        let sets = [
            "dashboard.enabled=false",
            "listeners.wss.default.enabled=false",
            "lan_guard.trusted=[\"203.0.113.0/24\", \"100.64.0.0/10\"]",
            "listeners.tcp.default.access_rules=[\"allow 10.0.0.0/8\", \"deny all\"]",
            "listeners.tcp.default.authenticators=[\"jwt\"]",
            "listeners.ws.default.authenticators=[]",
            "listeners.ws.default.forwarded_for=true",
            "listeners.ssl.default.ssl_options.verify=verify_peer",
            "listeners.ssl.default.ssl_options.cacertfile=ca.pem",
            "listeners.ssl.default.ssl_options.fail_if_no_peer_cert=true",
            "mqtt.peer_cert_as_username=cn",
        ];
        let asked: &[&str] = &["password_based:file", "jwt"];
        let near = "without credentials from private addresses and 203.0.113.0/24, 100.64.0.0/10";
        let expected = [
            format!(
                "tcp:default: no TLS; addresses: allow 10.0.0.0/8, deny all; {near}; \
                 credentials are shown to jwt"
            ),
            format!(
                "ssl:default: TLS, nobody without a client certificate; {near}; users by the CN of their \
                 certificate; credentials are shown to password_based:file, jwt"
            ),
            format!(
                "ws:default: no TLS; addresses are those that proxies tell; {near}; \
                 no authenticator is asked"
            ),
        ];
        assert_eq!(told(&sets, Some(asked), Lang::En), expected);
        let closed = [sets.as_slice(), &["mqtt.allow_anonymous=false"]].concat();
        let lines = told(&closed, None, Lang::Zh);
        assert_eq!(
            lines[0],
            "tcp:default：无 TLS；地址：allow 10.0.0.0/8、deny all；必须有凭据；认证器在服务器运行时可知"
        );
        assert!(
            lines[2].ends_with("必须有凭据；不询问任何认证器"),
            "{}",
            lines[2]
        );
    }
}
