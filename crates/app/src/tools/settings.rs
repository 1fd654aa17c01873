//! What the options of a tool add up to, and what they must not say together.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use client::{
    Address, Options, Place as Where, Proxy, Tls, TlsOptions, TlsSetup, Transport, Will,
    tls_ciphers,
};
use protocol::{Limits, Place, Properties, Property, QoS, Version};

use super::Tool;
use super::bench::Load;
use super::format::Format;
use super::said::{Said, said};
use super::simulate::Play;
use super::top::Watch;

/// How long connecting and a CONNACK may take.
const PATIENCE: Duration = Duration::from_secs(30);
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
const WEBSOCKET_PORT: u16 = 8083;
const WEBSOCKET_TLS_PORT: u16 = 8084;
/// The session never ends by itself (3.1.2.11.2).
const FOREVER: u32 = u32::MAX;

/// Where the message to be sent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Given(Vec<u8>),
    File(PathBuf),
    /// All of standard input.
    Stdin,
    /// A message for each line of standard input.
    Lines,
}

/// Where received messages go instead of standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// Appended, as they would be printed.
    File(PathBuf),
    /// The payload of each in a file of its own.
    Folder(PathBuf),
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) tool: Tool,
    // Where.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) unix: Option<PathBuf>,
    pub(super) local: Option<String>,
    pub(super) proxy: Option<Proxy>,
    pub(super) no_delay: bool,
    pub(super) websocket: bool,
    pub(super) path: String,
    pub(super) wants_tls: bool,
    pub(super) tls: TlsOptions,
    /// What these two make, once they were checked.
    secure: Option<Tls>,
    // Who.
    pub(super) version: Version,
    pub(super) client_id: Option<String>,
    pub(super) id_prefix: Option<String>,
    pub(super) clean: bool,
    pub(super) session_expiry: Option<u32>,
    pub(super) keep_alive_secs: u16,
    pub(super) user_name: Option<String>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) password_file: Option<PathBuf>,
    /// The name under which options stand in a file.
    pub(super) profile: Option<String>,
    pub(super) ask_password: bool,
    pub(super) will_topic: Option<String>,
    pub(super) will_payload: Option<Vec<u8>>,
    pub(super) will_qos: QoS,
    pub(super) will_retain: bool,
    /// Bytes of the properties of each packet.
    pub(super) connect: Vec<u8>,
    pub(super) publish: Vec<u8>,
    pub(super) subscribe: Vec<u8>,
    pub(super) unsubscribe: Vec<u8>,
    pub(super) disconnect: Vec<u8>,
    pub(super) will: Vec<u8>,
    // What is told.
    pub(super) debug: bool,
    pub(super) quiet: bool,
    // What is published and subscribed to.
    pub(super) topic: Option<String>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) payload: Option<Payload>,
    pub(super) repeat: u32,
    pub(super) repeat_delay: Duration,
    pub(super) inflight_max: u16,
    pub(super) response_topic: Option<String>,
    pub(super) filters: Vec<String>,
    pub(super) filters_out: Vec<String>,
    pub(super) unsubscribe_from: Vec<String>,
    pub(super) retain_as_published: bool,
    pub(super) no_local: bool,
    pub(super) retain_handling: Option<u8>,
    // What becomes of received messages.
    pub(super) count: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) exit_when_subscribed: bool,
    pub(super) verbose: bool,
    /// What follows each message.
    pub(super) end: &'static [u8],
    pub(super) format: Option<Format>,
    pub(super) pretty: bool,
    pub(super) no_retained: bool,
    pub(super) retained_only: bool,
    pub(super) remove_retained: bool,
    /// Of a thousand messages, so many are printed.
    pub(super) permille: u16,
    pub(super) into: Option<Into>,
    // What is measured.
    pub(super) load: Load,
    // Which devices are simulated.
    pub(super) play: Play,
    // How a broker is watched.
    pub(super) watch: Watch,
}

impl Settings {
    pub(super) fn new(tool: Tool) -> Self {
        Self {
            tool,
            host: None,
            port: None,
            unix: None,
            local: None,
            proxy: None,
            no_delay: false,
            websocket: false,
            path: "/mqtt".to_owned(),
            wants_tls: false,
            tls: TlsOptions::default(),
            secure: None,
            version: match tool {
                Tool::Request | Tool::Doctor => Version::V5,
                Tool::Publish | Tool::Subscribe | Tool::Bench(_) | Tool::Simulate | Tool::Top => {
                    Version::V3_1_1
                }
            },
            client_id: None,
            id_prefix: None,
            clean: true,
            session_expiry: None,
            keep_alive_secs: 60,
            user_name: None,
            password: None,
            password_file: None,
            profile: None,
            ask_password: false,
            will_topic: None,
            will_payload: None,
            will_qos: QoS::AtMostOnce,
            will_retain: false,
            connect: Vec::new(),
            publish: Vec::new(),
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            disconnect: Vec::new(),
            will: Vec::new(),
            debug: false,
            quiet: false,
            topic: None,
            qos: QoS::AtMostOnce,
            retain: false,
            payload: None,
            repeat: 1,
            repeat_delay: Duration::ZERO,
            inflight_max: if let Tool::Bench(_) = tool { 100 } else { 20 },
            response_topic: None,
            filters: Vec::new(),
            filters_out: Vec::new(),
            unsubscribe_from: Vec::new(),
            retain_as_published: false,
            no_local: false,
            retain_handling: None,
            count: (tool == Tool::Request).then_some(1),
            timeout: None,
            exit_when_subscribed: false,
            verbose: false,
            end: b"\n",
            format: None,
            pretty: false,
            no_retained: false,
            retained_only: false,
            remove_retained: false,
            permille: 1000,
            into: None,
            load: Load::default(),
            play: Play::default(),
            watch: Watch::default(),
        }
    }

    /// What no single option can know.
    pub(super) fn check(&mut self) -> Result<(), Said> {
        self.check_message()?;
        self.check_will()?;
        self.check_session()?;
        self.check_tls()?;
        let needs_user = !self.version.is_v5() && self.tool != Tool::Top;
        if self.user_name.is_none() && self.has_password() && needs_user {
            return Err(said(
                "a password without a user name (-u) needs -V 5",
                "MQTT 5（-V 5）之前的版本中，密码必须与用户名（-u）一起使用",
            ));
        }
        self.check_properties()
    }

    fn has_password(&self) -> bool {
        self.password.is_some() || self.password_file.is_some() || self.ask_password
    }

    fn check_message(&self) -> Result<(), Said> {
        let missing = match self.tool {
            // Without a name, an alias that was never set would have to stand for it.
            Tool::Publish if self.topic.is_none() => said(
                "a topic is missing: -t TOPIC",
                "缺少主题：请用 -t 主题 指定",
            ),
            Tool::Publish | Tool::Request if self.payload.is_none() => said(
                "a message is missing: -m MESSAGE, -f FILE, -s, -l or -n",
                "缺少消息：请用 -m 消息、-f 文件、-s、-l 或 -n 指定",
            ),
            Tool::Request if self.topic.is_none() || self.response_topic.is_none() => said(
                "topics are missing: -t TOPIC of the request and -e TOPIC of the response",
                "缺少主题：请用 -t 指定请求主题，用 -e 指定响应主题",
            ),
            Tool::Subscribe if self.filters.is_empty() => said(
                "a topic is missing: -t TOPIC; + and # are wildcards",
                "缺少主题：请用 -t 主题 指定，可用通配符 + 和 #",
            ),
            Tool::Subscribe if self.no_retained && self.retained_only => said(
                "-R and --retained-only together let nothing through; leave one out",
                "-R 与 --retained-only 同时使用会过滤掉所有消息，请去掉其中一个",
            ),
            Tool::Bench(kind) => return self.load.check(kind, self.topic.as_deref()),
            _ => return Ok(()),
        };
        Err(missing)
    }

    fn check_will(&self) -> Result<(), Said> {
        if self.will_topic.is_none() && (self.will_payload.is_some() || self.will_retain) {
            return Err(said(
                "a will needs a topic: --will-topic TOPIC",
                "遗嘱缺少主题：请用 --will-topic 主题 指定",
            ));
        }
        Ok(())
    }

    fn check_session(&mut self) -> Result<(), Said> {
        let no_id = || {
            said(
                "a session that stays needs a client id: -i ID",
                "要保留会话，必须用 -i 指定客户端 ID",
            )
        };
        if !self.version.is_v5() {
            if !self.clean && self.client_id.is_none() {
                return Err(no_id());
            }
            return Ok(());
        }
        if !self.clean && self.session_expiry.is_none() {
            self.session_expiry = Some(FOREVER);
        }
        match self.session_expiry {
            Some(FOREVER) if self.client_id.is_none() => return Err(no_id()),
            Some(secs) if secs > 0 => Property::SessionExpiry(secs).put(&mut self.connect),
            _ => {}
        }
        Ok(())
    }

    fn check_tls(&mut self) -> Result<(), Said> {
        let tls = &mut self.tls;
        if tls.cert.is_some() != tls.key.is_some() {
            return Err(said(
                "--cert and --key belong together: a certificate and its private key",
                "--cert 与 --key 须同时使用：证书及其私钥",
            ));
        }
        let is_told_whom = tls.ca_file.is_some() || tls.ca_path.is_some() || tls.os_certs;
        if !is_told_whom && !self.wants_tls {
            let needs_tls = [
                ("--cert", tls.cert.is_some()),
                ("--insecure", tls.any_name),
                ("--tls-version", tls.version.is_some()),
                ("--ciphers", tls.ciphers.is_some()),
                ("--tls-alpn", tls.alpn.is_some()),
            ];
            return match needs_tls.into_iter().find(|(_, is_given)| *is_given) {
                None => Ok(()),
                Some((name, _)) => Err(said(
                    "needs TLS, and whom to trust: --cafile FILE, --capath FOLDER or --tls-use-os-certs",
                    "需要 TLS，并指定信任谁：--cafile 文件、--capath 目录或 --tls-use-os-certs",
                )
                .of(name)),
            };
        }
        tls.os_certs |= !is_told_whom;
        self.secure = Some(Tls::new(tls).map_err(|error| no_tls(&error))?);
        Ok(())
    }

    fn check_properties(&self) -> Result<(), Said> {
        let blocks: [(&str, &[u8], Place); 6] = [
            ("CONNECT", &self.connect, Place::Connect),
            ("PUBLISH", &self.publish, Place::Publish),
            ("SUBSCRIBE", &self.subscribe, Place::Subscribe),
            ("UNSUBSCRIBE", &self.unsubscribe, Place::Unsubscribe),
            ("DISCONNECT", &self.disconnect, Place::Disconnect),
            ("WILL", &self.will, Place::Will),
        ];
        for (name, block, place) in blocks {
            if block.is_empty() {
                continue;
            }
            if !self.version.is_v5() {
                return Err(said(
                    "properties need MQTT 5: leave out -V, or give -V 5 after them",
                    "属性需要 MQTT 5：请去掉 -V，或在其后使用 -V 5",
                ));
            }
            let limits = Limits {
                user_properties_max: u16::MAX,
                user_properties_bytes_max: u32::MAX,
                ..Limits::default()
            };
            Properties::parse(block, place, &limits).map_err(|error| {
                let cause = error.cause();
                said(
                    format!("properties of {name}: {cause}"),
                    format!("{name} 的属性有误：{cause}"),
                )
            })?;
        }
        Ok(())
    }

    pub(super) fn address(&self) -> Address {
        let usual = match (self.websocket, self.secure.is_some()) {
            (false, false) => PORT,
            (false, true) => TLS_PORT,
            (true, false) => WEBSOCKET_PORT,
            (true, true) => WEBSOCKET_TLS_PORT,
        };
        let port = self.port.unwrap_or(usual);
        Address {
            place: match &self.unix {
                Some(path) => Where::Unix(path.clone()),
                None => Where::Host {
                    name: self.host.clone().unwrap_or_else(|| "localhost".to_owned()),
                    port,
                },
            },
            transport: if self.websocket {
                Transport::WebSocket(self.path.clone())
            } else {
                Transport::Plain
            },
            tls: self.secure.clone(),
            local: self.local.clone(),
            proxy: self.proxy.clone(),
            no_delay: self.no_delay,
            patience: PATIENCE,
        }
    }

    pub(super) fn options(&self) -> Options {
        let mut properties = self.connect.clone();
        // What is measured is the broker's window, not ours.
        if self.version.is_v5() && !matches!(self.tool, Tool::Bench(_)) {
            self.put_receive_maximum(&mut properties);
        }
        Options {
            version: self.version,
            clean_start: self.clean,
            keep_alive_secs: self.keep_alive_secs,
            client_id: self.id(),
            user_name: self.user_name.clone(),
            password: self.password.clone(),
            will: self.will_topic.as_ref().map(|topic| Will {
                topic: topic.clone(),
                payload: self.will_payload.clone().unwrap_or_default(),
                qos: self.will_qos,
                retain: self.will_retain,
                properties: self.will.clone(),
            }),
            properties,
            inflight_max: self.inflight_max,
            patience: PATIENCE,
        }
    }

    /// Never more messages under way to us than we shall take.
    fn put_receive_maximum(&self, properties: &mut Vec<u8>) {
        let block = Properties::parse(properties, Place::Connect, &Limits::default());
        let is_given = block.is_ok_and(|block| {
            let mut all = block.iter();
            all.any(|p| matches!(p, Property::ReceiveMaximum(_)))
        });
        if !is_given {
            let few = self.count.filter(|count| *count < 20);
            let max = few.and_then(|count| u16::try_from(count).ok());
            Property::ReceiveMaximum(max.unwrap_or(20)).put(properties);
        }
    }

    /// Version 3.1 has no empty ids; elsewhere the broker finds one.
    fn id(&self) -> String {
        if let Some(id) = &self.client_id {
            return id.clone();
        }
        if let Some(prefix) = &self.id_prefix {
            return format!("{prefix}{}", std::process::id());
        }
        match self.version {
            Version::V3_1 => format!("ternmq-{:016x}", super::random()),
            Version::V3_1_1 | Version::V5 => String::new(),
        }
    }
}

/// Why TLS cannot be tried, and what to do.
fn no_tls(error: &TlsSetup) -> Said {
    let (en, zh) = match error {
        TlsSetup::File { path, source } => {
            let path = path.display();
            return said(
                format!("the file {path} cannot be used: {source}"),
                format!("无法使用文件 {path}：{source}"),
            );
        }
        TlsSetup::NoCertificate(_) | TlsSetup::NotPem(_) => (
            "it has to begin with -----BEGIN CERTIFICATE-----; openssl x509 -inform der -in FILE makes that of other forms".to_owned(),
            "文件应以 -----BEGIN CERTIFICATE----- 开头；其他格式可用 openssl x509 -inform der -in 文件 转换".to_owned(),
        ),
        TlsSetup::NoKey(_) => (
            "it has to begin with -----BEGIN PRIVATE KEY-----".to_owned(),
            "文件应以 -----BEGIN PRIVATE KEY----- 开头".to_owned(),
        ),
        TlsSetup::EncryptedKey(_) => (
            "openssl pkey -in FILE -out FILE2 writes it without its passphrase".to_owned(),
            "可用 openssl pkey -in 文件 -out 新文件 去掉密码".to_owned(),
        ),
        TlsSetup::NoSystemCertificates => (
            "install ca-certificates, or give --cafile".to_owned(),
            "请安装 ca-certificates，或用 --cafile 指定".to_owned(),
        ),
        TlsSetup::Cipher(_) => {
            let known: Vec<_> = tls_ciphers().collect();
            let known = known.join(":");
            (format!("there are {known}"), format!("可用的有 {known}"))
        }
        _ => (
            "look at the files".to_owned(),
            "请检查这些文件".to_owned(),
        ),
    };
    said(format!("TLS: {error}; {en}"), format!("TLS：{error}；{zh}"))
}

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a>(pub(super) &'a OsStr);

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.as_encoded_bytes().to_vec()
    }

    pub(super) fn path(self) -> PathBuf {
        self.0.into()
    }

    pub(super) fn text(self) -> Result<&'a str, Said> {
        let text = self.0.to_str().ok_or_else(|| {
            said(
                "the text is not UTF-8; set the terminal to UTF-8",
                "文本不是 UTF-8；请将终端设为 UTF-8",
            )
        })?;
        protocol::utf8(text.as_bytes()).map_err(|error| {
            let cause = error.cause();
            said(
                format!("MQTT does not allow this text: {cause}"),
                format!("MQTT 不允许该文本：{cause}"),
            )
        })?;
        if text.len() > usize::from(u16::MAX) {
            return Err(said("at most 65,535 bytes", "最多 65535 字节"));
        }
        Ok(text)
    }

    pub(super) fn owned(self) -> Result<String, Said> {
        self.text().map(str::to_owned)
    }

    /// A number between these, both included.
    pub(super) fn number<T>(self, least: T, most: T) -> Result<T, Said>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let found = self.text()?.trim().parse().ok();
        found.filter(|n| *n >= least && *n <= most).ok_or_else(|| {
            let given = self.0.to_string_lossy();
            said(
                format!("{given} is no number from {least} to {most}"),
                format!("{given} 不是 {least} 到 {most} 之间的数"),
            )
        })
    }

    pub(super) fn qos(self) -> Result<QoS, Said> {
        let bits = self.number(0, 2)?;
        Ok(QoS::from_bits(bits).expect("0, 1 or 2"))
    }

    /// A topic name.
    pub(super) fn topic(self) -> Result<String, Said> {
        let text = self.text()?;
        match protocol::Topic::parse(text, u16::MAX) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(bad_topic(text, error.cause())),
        }
    }

    /// A topic filter.
    pub(super) fn filter(self) -> Result<String, Said> {
        let text = self.text()?;
        match protocol::Filter::parse(text, u16::MAX) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(bad_topic(text, error.cause())),
        }
    }
}

fn bad_topic(text: &str, cause: &str) -> Said {
    said(
        format!(
            "'{text}' is no topic: {cause}; + and # are for subscriptions, each a whole level, # the last"
        ),
        format!("“{text}”不是有效主题：{cause}；+ 和 # 仅用于订阅，须独占一层，# 须在最后一层"),
    )
}
