//! What points mean and what to do about them, in both languages.

use super::{Fact, Id, Point, Severity};
use crate::config::Lang;

/// A point in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    pub what: String,
    /// Empty where nothing is to be done.
    pub remedy: String,
}

impl Point {
    /// In words.
    #[must_use]
    pub fn words(&self, lang: Lang) -> Words {
        let is_fine = self.severity == Severity::Fine;
        let what = match (lang, is_fine) {
            (Lang::En, true) => self.fine_in_english(),
            (Lang::Zh, true) => self.fine_in_chinese(),
            (Lang::En, false) => self.weak_in_english(),
            (Lang::Zh, false) => self.weak_in_chinese(),
        };
        let remedy = match lang {
            _ if is_fine => "",
            Lang::En => remedy_in_english(self.id),
            Lang::Zh => remedy_in_chinese(self.id),
        };
        Words {
            what,
            remedy: remedy.to_owned(),
        }
    }

    fn is(&self, name: &str) -> bool {
        matches!(self.fact(name), Some(Fact::Flag(true)))
    }

    /// No day is left.
    fn is_past(&self) -> bool {
        matches!(self.fact("days"), Some(Fact::Number(..=0)))
    }

    fn list(&self, name: &str) -> String {
        match self.fact(name) {
            Some(Fact::Texts(texts)) => texts.join(", "),
            Some(Fact::Text(text)) => text.clone(),
            Some(Fact::Number(number)) => number.to_string(),
            Some(Fact::Flag(_)) | None => String::new(),
        }
    }

    fn fine_in_english(&self) -> String {
        match self.id {
            Id::DefaultPassword => "The dashboard does not take the default password.".to_owned(),
            Id::Anonymous if self.is("allowed") => {
                "Clients need no credentials, and only this machine reaches the listeners."
                    .to_owned()
            }
            Id::Anonymous => "Clients need credentials.".to_owned(),
            Id::PublicAddress => {
                "No listener without TLS is known to be reachable from public addresses.".to_owned()
            }
            Id::Dashboard => "The dashboard is not reachable from public addresses.".to_owned(),
            Id::Unencrypted => format!("TLS is spoken: {}.", self.list("secure")),
            Id::Rules => format!(
                "Access is bounded: {} rules, {} where none says anything.",
                self.list("rules"),
                self.list("no_match")
            ),
            Id::Readers => self.readers_in_english(),
            Id::PlainPasswords => "Passwords of clients are kept as hashes.".to_owned(),
            Id::PlainBackEnds => {
                "No back end is shown clients' passwords over the network without TLS.".to_owned()
            }
            Id::CertificateEnds => format!(
                "The certificate that ends first ({}) is valid for {} days.",
                self.list("listener"),
                self.list("days")
            ),
            Id::CertificateUnusable => "The files of all certificates can be used.".to_owned(),
            Id::RevocationListEnds => format!(
                "Revocation lists are up to date; the first ends in {} days ({}).",
                self.list("days"),
                self.list("listener")
            ),
            Id::ReadableSecrets => "No key or password file can be read by everybody.".to_owned(),
            Id::DataDirectory => "The data directory is its owner's alone.".to_owned(),
            Id::Proxies => "Nobody but proxies says where clients come from.".to_owned(),
            Id::ForeignPages => {
                "Web pages of other hosts are refused or named one by one.".to_owned()
            }
            Id::Unlimited => match self.list("settings").as_str() {
                "" => "Everything that strangers could make grow is bounded.".to_owned(),
                settings => format!("Without a bound, but out of strangers' reach: {settings}."),
            },
            Id::Durability => "What is acknowledged survives a power cut.".to_owned(),
            Id::RunsAsRoot => "The broker runs with a user's rights.".to_owned(),
            Id::OldVersion => format!(
                "Version {} is of {}.",
                self.list("version"),
                self.list("released")
            ),
            Id::BackupAge if self.is("made") => {
                format!("The last backup is {} days old.", self.list("days"))
            }
            Id::BackupAge if self.is("has_data") => {
                "There is no backup yet, and no data that is older than a week.".to_owned()
            }
            Id::BackupAge => "There is nothing yet that a backup would keep.".to_owned(),
        }
    }

    fn fine_in_chinese(&self) -> String {
        match self.id {
            Id::DefaultPassword => "控制台不接受默认密码。".to_owned(),
            Id::Anonymous if self.is("allowed") => {
                "客户端无需用户名和密码，但监听器只能从本机访问。".to_owned()
            }
            Id::Anonymous => "客户端需要用户名和密码。".to_owned(),
            Id::PublicAddress => "未发现可从公网地址访问的不加密监听器。".to_owned(),
            Id::Dashboard => "控制台无法从公网地址访问。".to_owned(),
            Id::Unencrypted => format!("已启用 TLS：{}。", self.list("secure")),
            Id::Rules => format!(
                "访问受限：{} 条规则，没有规则匹配时为 {}。",
                self.list("rules"),
                self.list("no_match")
            ),
            Id::Readers => self.readers_in_chinese(),
            Id::PlainPasswords => "客户端密码以哈希保存。".to_owned(),
            Id::PlainBackEnds => "没有后端经网络不加密地接收客户端密码。".to_owned(),
            Id::CertificateEnds => format!(
                "最先到期的证书（{}）还有 {} 天。",
                self.list("listener"),
                self.list("days")
            ),
            Id::CertificateUnusable => "所有证书文件均可使用。".to_owned(),
            Id::RevocationListEnds => format!(
                "证书吊销列表有效；最先过期的还有 {} 天（{}）。",
                self.list("days"),
                self.list("listener")
            ),
            Id::ReadableSecrets => "没有任何人都可读取的私钥或密码文件。".to_owned(),
            Id::DataDirectory => "数据目录只有所有者可以访问。".to_owned(),
            Id::Proxies => "只有代理可以说明客户端的来源。".to_owned(),
            Id::ForeignPages => "其他主机的网页被拒绝，或已逐一列出。".to_owned(),
            Id::Unlimited => match self.list("settings").as_str() {
                "" => "外部来源能够使之增长的一切都有上限。".to_owned(),
                settings => format!("没有上限，但外部来源无法触及：{settings}。"),
            },
            Id::Durability => "已确认的消息能经受断电。".to_owned(),
            Id::RunsAsRoot => "服务器以普通用户权限运行。".to_owned(),
            Id::OldVersion => format!(
                "版本 {} 发布于 {}。",
                self.list("version"),
                self.list("released")
            ),
            Id::BackupAge if self.is("made") => {
                format!("最近一次备份是 {} 天前。", self.list("days"))
            }
            Id::BackupAge if self.is("has_data") => "还没有备份，数据保存也还不到一周。".to_owned(),
            Id::BackupAge => "还没有需要备份的数据。".to_owned(),
        }
    }

    fn weak_in_english(&self) -> String {
        match self.id {
            Id::DefaultPassword => {
                "The dashboard has its default password, which everybody knows.".to_owned()
            }
            Id::Anonymous => match self.list("public_networks").as_str() {
                "" if self.is("gateway_trusted") => format!(
                    "Clients connect without credentials from {}, the address that everybody has in this container (lan_guard.gateway).",
                    self.list("gateways")
                ),
                "" => "Everybody on the local network connects without credentials.".to_owned(),
                networks => format!(
                    "Clients connect without credentials from {networks}, which has public addresses."
                ),
            },
            Id::PublicAddress => match self.list("listeners").as_str() {
                "" => format!(
                    "Somebody came from public addresses: {}.",
                    self.list("strangers")
                ),
                listeners => format!(
                    "{listeners} can be reached without TLS at {}: passwords and messages can be read on their way.",
                    self.list("addresses")
                ),
            },
            Id::Dashboard => {
                let place = if self.is("public") {
                    "a public address"
                } else {
                    "the network"
                };
                format!(
                    "The dashboard listens at {place}, and speaks HTTP: passwords can be read on their way."
                )
            }
            Id::Unencrypted => format!("No listener speaks TLS: {}.", self.list("plain")),
            Id::Rules => "Whoever is let in may read and publish everything.".to_owned(),
            Id::Readers => format!(
                "Clients without a name, on other hosts, receive everything (#): {}. {}",
                self.some("anonymous", "anonymous_count", Lang::En),
                self.readers_in_english()
            ),
            Id::PlainPasswords => format!(
                "{} keeps passwords so that whoever reads them can use them.",
                self.list("authenticators")
            ),
            Id::PlainBackEnds => format!(
                "{} is asked without TLS: clients' passwords can be read on their way.",
                self.list("authenticators")
            ),
            Id::CertificateEnds if self.is_past() => {
                format!("The certificate of {} has ended.", self.list("listener"))
            }
            Id::CertificateEnds => format!(
                "The certificate of {} ends in {} days.",
                self.list("listener"),
                self.list("days")
            ),
            Id::CertificateUnusable => format!(
                "The files of a certificate cannot be used, and the next start will fail: {}.",
                self.list("errors")
            ),
            Id::RevocationListEnds if self.is_past() => format!(
                "A revocation list of {} is past its date: all client certificates of its authority are refused.",
                self.list("listener")
            ),
            Id::RevocationListEnds => format!(
                "A revocation list of {} has {} days left; past its date all client certificates of its authority are refused.",
                self.list("listener"),
                self.list("days")
            ),
            Id::ReadableSecrets => {
                format!("Everybody on this machine can read {}.", self.list("files"))
            }
            Id::DataDirectory => format!(
                "Others than its owner come into {} (mode {}).",
                self.list("directories"),
                self.list("modes")
            ),
            Id::Proxies => format!(
                "Everybody counts as a proxy of {} and says himself where he comes from.",
                self.list("listeners")
            ),
            Id::ForeignPages => format!("Any web page may connect to {}.", self.list("listeners")),
            Id::Unlimited => format!("Without a bound: {}.", self.list("settings")),
            Id::Durability => format!(
                "durability = \"{}\": a power cut takes messages that were acknowledged.",
                self.list("durability")
            ),
            Id::RunsAsRoot => "The broker runs as root.".to_owned(),
            Id::OldVersion => format!(
                "Version {} is of {}, {} days ago: what was mended since is missing.",
                self.list("version"),
                self.list("released"),
                self.list("days")
            ),
            Id::BackupAge if self.is("made") => {
                format!("The last backup is {} days old.", self.list("days"))
            }
            Id::BackupAge => {
                "There is no backup of sessions, retained messages and users.".to_owned()
            }
        }
    }

    fn weak_in_chinese(&self) -> String {
        match self.id {
            Id::DefaultPassword => "控制台仍在使用人人皆知的默认密码。".to_owned(),
            Id::Anonymous => match self.list("public_networks").as_str() {
                "" if self.is("gateway_trusted") => format!(
                    "来自 {} 的客户端无需用户名和密码即可连接，而在本容器中任何来源都可能显示为该地址（lan_guard.gateway）。",
                    self.list("gateways")
                ),
                "" => "局域网中的任何人无需用户名和密码即可连接。".to_owned(),
                networks => {
                    format!("来自 {networks}（含公网地址）的客户端无需用户名和密码即可连接。")
                }
            },
            Id::PublicAddress => match self.list("listeners").as_str() {
                "" => format!("有来自公网地址的连接：{}。", self.list("strangers")),
                listeners => format!(
                    "{listeners} 可从 {} 不加密访问：密码与消息可能在途中被读取。",
                    self.list("addresses")
                ),
            },
            Id::Dashboard => {
                let place = if self.is("public") {
                    "公网地址"
                } else {
                    "网络"
                };
                format!("控制台在{place}上监听，且使用 HTTP：密码可能在途中被读取。")
            }
            Id::Unencrypted => format!("没有监听器使用 TLS：{}。", self.list("plain")),
            Id::Rules => "任何接入的客户端都可以读取和发布一切内容。".to_owned(),
            Id::Readers => format!(
                "其他主机上有 {} 个匿名客户端在接收全部消息（#）：{}。{}",
                self.list("anonymous_count"),
                self.some("anonymous", "anonymous_count", Lang::Zh),
                self.readers_in_chinese()
            ),
            Id::PlainPasswords => format!(
                "{} 以可直接使用的形式保存密码。",
                self.list("authenticators")
            ),
            Id::PlainBackEnds => format!(
                "{} 的连接没有加密，客户端密码在途中可以被读取。",
                self.list("authenticators")
            ),
            Id::CertificateEnds if self.is_past() => {
                format!("{} 的证书已过期。", self.list("listener"))
            }
            Id::CertificateEnds => format!(
                "{} 的证书将在 {} 天后到期。",
                self.list("listener"),
                self.list("days")
            ),
            Id::CertificateUnusable => {
                format!(
                    "证书文件无法使用，下次启动将失败：{}。",
                    self.list("errors")
                )
            }
            Id::RevocationListEnds if self.is_past() => format!(
                "{} 的证书吊销列表已过期：其 CA 签发的客户端证书都会被拒绝。",
                self.list("listener")
            ),
            Id::RevocationListEnds => format!(
                "{} 的证书吊销列表剩余 {} 天；过期后其 CA 签发的客户端证书都会被拒绝。",
                self.list("listener"),
                self.list("days")
            ),
            Id::ReadableSecrets => format!("本机任何用户都可以读取 {}。", self.list("files")),
            Id::DataDirectory => format!(
                "所有者以外的用户可以进入 {}（权限 {}）。",
                self.list("directories"),
                self.list("modes")
            ),
            Id::Proxies => format!(
                "任何人都被当作 {} 的代理，可自称来自任何地址。",
                self.list("listeners")
            ),
            Id::ForeignPages => format!("任何网页都可以连接 {}。", self.list("listeners")),
            Id::Unlimited => format!("没有上限：{}。", self.list("settings")),
            Id::Durability => format!(
                "durability = \"{}\"：断电会丢失已确认的消息。",
                self.list("durability")
            ),
            Id::RunsAsRoot => "服务器以 root 身份运行。".to_owned(),
            Id::OldVersion => format!(
                "版本 {} 发布于 {}，已有 {} 天：此后修复的问题它都没有。",
                self.list("version"),
                self.list("released"),
                self.list("days")
            ),
            Id::BackupAge if self.is("made") => {
                format!("最近一次备份是 {} 天前。", self.list("days"))
            }
            Id::BackupAge => "会话、保留消息与用户还没有备份。".to_owned(),
        }
    }
}

/// Who reads everything.
impl Point {
    fn readers_in_english(&self) -> String {
        let may = if self.is("anonymous_may") {
            "clients without a name may do that"
        } else {
            "clients without a name may not do that"
        };
        match self.list("count").as_str() {
            "0" | "" => format!("Nobody is subscribed to everything (#); {may}."),
            count => format!(
                "Subscribed to everything (#), {count} in all: {}; {may}.",
                self.some("clients", "count", Lang::En)
            ),
        }
    }

    fn readers_in_chinese(&self) -> String {
        let may = if self.is("anonymous_may") {
            "匿名客户端可以这样订阅"
        } else {
            "匿名客户端不能这样订阅"
        };
        match self.list("count").as_str() {
            "0" | "" => format!("没有客户端订阅全部主题（#）；{may}。"),
            count => format!(
                "共有 {count} 个客户端订阅全部主题：{}；{may}。",
                self.some("clients", "count", Lang::Zh)
            ),
        }
    }

    /// Clients with their users where these are known, and how many more there are.
    fn some(&self, names: &str, count: &str, lang: Lang) -> String {
        let texts = |name| match self.fact(name) {
            Some(Fact::Texts(texts)) => texts.as_slice(),
            _ => &[],
        };
        let users = if names == "clients" {
            texts("users")
        } else {
            &[]
        };
        let named = texts(names).iter().enumerate().map(|(at, name)| {
            match (users.get(at).filter(|user| !user.is_empty()), lang) {
                (Some(user), Lang::En) => format!("{name} ({user})"),
                (Some(user), Lang::Zh) => format!("{name}（{user}）"),
                (None, _) => name.clone(),
            }
        });
        let named: Vec<String> = named.collect();
        let all = match self.fact(count) {
            Some(Fact::Number(all)) => usize::try_from(*all).unwrap_or(0),
            _ => 0,
        };
        match (all.saturating_sub(named.len()), lang) {
            (0, Lang::En) => named.join(", "),
            (0, Lang::Zh) => named.join("、"),
            (more, Lang::En) => format!("{} and {more} more", named.join(", ")),
            (more, Lang::Zh) => format!("{} 等，另有 {more} 个", named.join("、")),
        }
    }
}

const fn remedy_in_english(id: Id) -> &'static str {
    match id {
        Id::DefaultPassword => "Set one in the dashboard, or run: ternmq reset-password",
        Id::Anonymous => {
            "Make users in the dashboard, and set mqtt.allow_anonymous = false; name only your own network in lan_guard.trusted, and trust a container's gateway (lan_guard.gateway) only where nobody else reaches its ports."
        }
        Id::PublicAddress => {
            "Let clients use the TLS listeners, and bind the plain ones to a private address (listeners.tcp.default.bind) or close their ports in the firewall."
        }
        Id::Dashboard => {
            "Set dashboard.bind to 127.0.0.1:18083 or a private address, and reach it through a VPN, SSH, or a proxy with TLS."
        }
        Id::Unencrypted => {
            "Set listeners.ssl.default.enabled = true; the broker makes a certificate itself."
        }
        Id::Rules => "Write rules of access in the dashboard, and set no_match to deny.",
        Id::Readers => {
            "Write rules of access that say who may subscribe to # (dashboard: Authorization), or end the client's connection."
        }
        Id::PlainPasswords => {
            "Choose argon2id (password_hash_algorithm) and let users set their passwords anew."
        }
        Id::PlainBackEnds => {
            "Let ssl.enable of that authenticator be true, or its URL begin with https (dashboard: Authentication)."
        }
        Id::CertificateEnds => {
            "Put a new certificate in the place of the files; they are read again when they change."
        }
        Id::CertificateUnusable => "Put whole files that fit together in their place.",
        Id::RevocationListEnds => {
            "Put a new list into the file (ssl_options.crlfile); it is read by itself."
        }
        Id::ReadableSecrets => "Take the right away: chmod o-rwx FILE",
        Id::DataDirectory => "Take the right away: chmod go-rwx DIRECTORY",
        Id::Proxies => "Name only your proxies in proxy_networks of the listener.",
        Id::ForeignPages => "Name the pages that are yours in allowed_origins of the listener.",
        Id::Unlimited => "Give these settings a value that your devices do not reach.",
        Id::Durability => "Set durability = \"sync\".",
        Id::RunsAsRoot => "Start it as a user of its own, as the packages do.",
        Id::OldVersion => {
            "Look for a newer release where this one came from, and install it; the broker itself asks nobody."
        }
        Id::BackupAge => {
            "Make one now (dashboard: Backups), or with the broker stopped: ternmq store export FILE"
        }
    }
}

const fn remedy_in_chinese(id: Id) -> &'static str {
    match id {
        Id::DefaultPassword => "请在控制台设置密码，或运行：ternmq reset-password",
        Id::Anonymous => {
            "请在控制台创建用户，并设置 mqtt.allow_anonymous = false；lan_guard.trusted 只填写自己的网络，只有外人无法访问容器端口时才信任其网关（lan_guard.gateway）。"
        }
        Id::PublicAddress => {
            "请让客户端使用 TLS 监听器，并将不加密的监听器绑定到私有地址（listeners.tcp.default.bind），或在防火墙中关闭其端口。"
        }
        Id::Dashboard => {
            "请将 dashboard.bind 设为 127.0.0.1:18083 或私有地址，并经 VPN、SSH 或带 TLS 的代理访问。"
        }
        Id::Unencrypted => "请设置 listeners.ssl.default.enabled = true；服务器会自动生成证书。",
        Id::Rules => "请在控制台编写访问规则，并将 no_match 设为 deny。",
        Id::Readers => "请编写访问规则，限定谁可以订阅 #（控制台“客户端授权”页），或断开该客户端。",
        Id::PlainPasswords => "请选用 argon2id（password_hash_algorithm），并让用户重新设置密码。",
        Id::PlainBackEnds => {
            "请为该认证器开启 ssl.enable，或改用 https 地址（控制台“客户端认证”页）。"
        }
        Id::CertificateEnds => "请用新证书替换这些文件；文件变化后会自动重新读取。",
        Id::CertificateUnusable => "请换上完整且相互匹配的文件。",
        Id::RevocationListEnds => "请把新的列表写入该文件（ssl_options.crlfile）；会自动重新读取。",
        Id::ReadableSecrets => "请收回权限：chmod o-rwx 文件",
        Id::DataDirectory => "请收回权限：chmod go-rwx 目录",
        Id::Proxies => "请在监听器的 proxy_networks 中只填写您的代理。",
        Id::ForeignPages => "请在监听器的 allowed_origins 中只填写您自己的网页。",
        Id::Unlimited => "请为这些配置项设置设备不会达到的上限。",
        Id::Durability => "请设置 durability = \"sync\"。",
        Id::RunsAsRoot => "请像安装包那样用专用用户启动。",
        Id::OldVersion => "请到获得此版本的地方查看并安装更新的版本；服务器自己不会联网查询。",
        Id::BackupAge => {
            "请现在做一次备份（控制台“备份”页），或停止服务器后运行：ternmq store export 文件"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_words() {
        for id in Id::ALL {
            for severity in [Severity::Danger, Severity::Warning, Severity::Fine] {
                let point = Point {
                    id,
                    severity,
                    facts: vec![],
                    aside: None,
                };
                for lang in [Lang::En, Lang::Zh] {
                    let words = point.words(lang);
                    assert!(!words.what.is_empty());
                    assert_eq!(words.remedy.is_empty(), severity == Severity::Fine);
                }
            }
        }
    }
}
