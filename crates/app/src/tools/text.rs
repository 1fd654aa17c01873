//! What the tools say, in English and Chinese side by side: a cause, and what to do about it.

use std::fmt::Display;
use std::io::ErrorKind;

use client::{Error, TlsFault};
use protocol::Reason;

use super::simulate::Told;
use super::{Kind, Tool};
use crate::text::Text;

impl Tool {
    pub(crate) fn about(self, text: Text) -> &'static str {
        match self {
            Self::Publish => text.pick("Publish messages", "发布消息"),
            Self::Subscribe => text.pick("Subscribe, and print what comes", "订阅并打印收到的消息"),
            Self::Request => text.pick(
                "Publish a request and print its response",
                "发布请求并打印响应",
            ),
            Self::Doctor => text.pick(
                "Try a connection step by step, and say what is wrong with it",
                "逐步检查连接，说明问题所在",
            ),
            Self::Bench(Kind::Publish) => text.pick(
                "Publish as fast as can be, or at a rate",
                "全速或按给定速率发布",
            ),
            Self::Bench(Kind::Subscribe) => text.pick("Subscribe and count", "订阅并计数"),
            Self::Bench(Kind::Connect) => text.pick(
                "Open many connections and keep them open",
                "建立并保持大量连接",
            ),
            Self::Bench(Kind::Latency) => text.pick(
                "Measure how long messages take, sent by the clock",
                "按时钟发送并测量消息延迟",
            ),
            Self::Top => text.pick(
                "Watch a broker: rates, clients, topics",
                "实时查看服务器：速率、客户端、主题",
            ),
            Self::Simulate => text.pick(
                "Let devices that do not exist publish what such devices would",
                "模拟设备发布数据",
            ),
        }
    }

    pub(crate) fn usage(self, text: Text) -> &'static str {
        match self {
            Self::Publish => text.pick(
                "[-h HOST] -t TOPIC -m MESSAGE [OPTION]...",
                "[-h 主机] -t 主题 -m 消息 [选项]...",
            ),
            Self::Subscribe => text.pick(
                "[-h HOST] -t TOPIC [OPTION]...",
                "[-h 主机] -t 主题 [选项]...",
            ),
            Self::Request => text.pick(
                "[-h HOST] -t TOPIC -e RESPONSE-TOPIC -m MESSAGE [OPTION]...",
                "[-h 主机] -t 主题 -e 响应主题 -m 消息 [选项]...",
            ),
            Self::Doctor | Self::Bench(_) | Self::Simulate | Self::Top => {
                text.pick("[-h HOST] [OPTION]...", "[-h 主机] [选项]...")
            }
        }
    }
}

impl Text {
    pub(crate) fn help_bench(self) -> &'static str {
        self.pick(
            "Measure a broker: messages a second, latency, connections",
            "测试服务器性能：每秒消息数、延迟、连接数",
        )
    }
    pub(super) fn too_few_files(self, connections: usize, files: u64) -> String {
        self.pick(
            format!("{connections} connections need as many open files, and the system allows {files} (ulimit -Hn); give fewer, or raise the limit"),
            format!("{connections} 个连接需要同样多的打开文件数，而系统只允许 {files}（ulimit -Hn）；请减少连接数或提高上限"),
        )
    }
    pub(super) fn not_all_connected(self, ready: u64, wanted: u64, cause: &str) -> String {
        self.pick(
            format!("{ready} of {wanted} clients are ready, and then: {cause}; ternmq conn looks for the reason, the broker's log says more"),
            format!("{wanted} 个客户端中 {ready} 个就绪，之后：{cause}；可用 ternmq conn 查找原因，或查看服务器日志"),
        )
    }
    pub(super) fn no_dashboard_there(self, address: &dyn Display, cause: &dyn Display) -> String {
        self.pick(
            format!("no dashboard at {address} ({cause}); start the broker, or give the dashboard's port with -p"),
            format!("{address} 上没有控制台（{cause}）；请启动服务器，或用 -p 指定控制台端口"),
        )
    }
    pub(super) fn api_refused(self, status: u16, words: &str) -> String {
        let (en, zh) = match status {
            401 | 403 => (
                "give a user of the dashboard with -u and --password-file",
                "请用 -u 和 --password-file 提供控制台用户与密码",
            ),
            429 => ("wait a minute", "请稍等一分钟"),
            _ => ("the broker's log says more", "详情请看服务器的日志"),
        };
        let words = in_parentheses(words);
        self.pick(
            format!("the dashboard answers {status}{words}; {en}"),
            format!("控制台返回 {status}{words}；{zh}"),
        )
    }
    pub(super) fn no_scenario(self, name: &str, cause: &dyn Display) -> String {
        self.pick(
            format!("no scenario {name}, and no such file ({cause}); ternmq simulate --list has those that are always there"),
            format!("没有场景 {name}，也没有该文件（{cause}）；内置场景请看 ternmq simulate --list"),
        )
    }
    pub(super) fn bad_scenario(self, name: &str, fault: &str) -> String {
        let fault = fault.trim_end();
        self.pick(
            format!("the scenario {name} cannot be played: {fault}"),
            format!("场景 {name} 有误：{fault}"),
        )
    }
    pub(super) fn no_device(self, cause: &str) -> String {
        self.pick(
            format!("no device could connect: {cause}; ternmq conn looks for the reason, the broker's log says more"),
            format!("设备无法连接：{cause}；可用 ternmq conn 查找原因，或查看服务器日志"),
        )
    }
    pub(super) fn simulated(self, told: &Told) -> String {
        let Told {
            devices,
            connected,
            published,
            skipped,
            refused,
            lost_connections,
        } = told;
        self.pick(
            format!("{connected} of {devices} devices connected, {published} messages published, {skipped} skipped, {refused} refused, {lost_connections} connections lost"),
            format!("{devices} 台设备中 {connected} 台已连接，已发布 {published} 条消息，跳过 {skipped}，被拒绝 {refused}，连接中断 {lost_connections}"),
        )
    }
    pub(super) fn no_event_loop(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the system refused what is needed to wait for connections: {cause}"),
            format!("系统拒绝了等待连接所需的资源：{cause}"),
        )
    }
    pub(crate) fn see_help(self, line: &str, tool: &str) -> String {
        self.pick(
            format!("{line}; see ternmq {tool} --help"),
            format!("{line}；请看 ternmq {tool} --help"),
        )
    }
    pub(crate) fn tool_comes_first(self, tool: &str) -> String {
        self.pick(
            format!("{tool} has options of its own and comes first: ternmq {tool} ..."),
            format!("{tool} 有自己的选项，须写在最前：ternmq {tool} ..."),
        )
    }
    pub(super) fn timed_out(self) -> &'static str {
        self.pick("timed out", "超时")
    }
    pub(super) fn no_file(self, path: &dyn Display, cause: &dyn Display) -> String {
        self.pick(
            format!("the file {path} cannot be used: {cause}"),
            format!("无法使用文件 {path}：{cause}"),
        )
    }
    pub(super) fn no_stdin(self, cause: &dyn Display) -> String {
        self.pick(
            format!("standard input cannot be read: {cause}"),
            format!("无法读取标准输入：{cause}"),
        )
    }
    pub(super) fn empty_stdin(self) -> &'static str {
        self.pick(
            "standard input is empty; -n publishes an empty message",
            "标准输入为空；发布空消息请用 -n",
        )
    }
    pub(super) fn no_output(self, cause: &dyn Display) -> String {
        self.pick(
            format!("the output cannot be written: {cause}"),
            format!("无法写入输出：{cause}"),
        )
    }
    pub(super) fn too_long(self, bytes: usize) -> String {
        self.pick(
            format!("a message of {bytes} bytes is longer than MQTT allows (268,435,455)"),
            format!("消息有 {bytes} 字节，超过 MQTT 的上限 268435455"),
        )
    }
    pub(super) fn publish_refused(self, reason: Reason, words: &str) -> String {
        let words = in_parentheses(words);
        self.pick(
            format!("the broker refused the message: {reason}{words}"),
            format!("服务器拒绝了消息：{reason}{words}"),
        )
    }
    pub(super) fn all_denied(self, reason: Reason, words: &str) -> String {
        let words = in_parentheses(words);
        self.pick(
            format!("all subscriptions were refused: {reason}{words}; look at the topics, and at the access rules of this user"),
            format!("所有订阅均被拒绝：{reason}{words}；请检查主题及该用户的访问规则"),
        )
    }
    pub(super) fn not_json(self, topic: &str) -> String {
        self.pick(
            format!("the message on {topic} is not JSON; %j prints any message"),
            format!("{topic} 上的消息不是 JSON；%j 可打印任意消息"),
        )
    }
    pub(super) fn trying_again(self, error: &Error) -> String {
        let cause = self.client_error(error);
        self.pick(
            format!("{cause}; trying again"),
            format!("{cause}；正在重试"),
        )
    }

    /// Cause and remedy.
    pub(super) fn client_error(self, error: &Error) -> String {
        match error {
            Error::Name { host, source } => self.pick(
                format!("no address for the name {host} ({source}); look for a typing error, or give the address with -h"),
                format!("无法解析主机名 {host}（{source}）；请检查拼写，或用 -h 直接给出地址"),
            ),
            Error::Local { local, source } => self.pick(
                format!("{local} is no address of this machine that leads to the broker ({source}); leave out -A"),
                format!("{local} 不是本机可用于连接服务器的地址（{source}）；请去掉 -A"),
            ),
            Error::Connect { address, source } => {
                let (en, zh) = remedy(source.kind());
                self.pick(
                    format!("no connection to {address} ({source}); {en}"),
                    format!("无法连接 {address}（{source}）；{zh}"),
                )
            }
            Error::Unix { path, source } => self.pick(
                format!("no connection to the socket {path} ({source}); look at the path and its rights"),
                format!("无法连接套接字 {path}（{source}）；请检查路径与权限"),
            ),
            Error::Proxy(cause) => self.pick(
                format!("the proxy did not connect us: {cause}"),
                format!("代理未能建立连接：{cause}"),
            ),
            Error::Tls(fault) => {
                let (en, zh) = tls_remedy(fault);
                self.pick(format!("{fault}; {en}"), format!("TLS 失败（{fault}）：{zh}"))
            }
            Error::WebSocket(cause) => self.pick(
                format!("no WebSocket there ({cause}); the port of the ws listener is 8083 by default, and --path /mqtt"),
                format!("对方不是 WebSocket（{cause}）；ws 监听器默认端口为 8083，路径为 --path /mqtt"),
            ),
            Error::Refused { reason, words } => self.refusal(*reason, words),
            Error::Ended { reason, words } => self.ending(*reason, words),
            Error::Lost => self.pick(
                "the connection was lost; the broker's log says why it closed one".to_owned(),
                "连接已断开；原因请看服务器的日志".to_owned(),
            ),
            Error::Silent => self.pick(
                "the broker does not answer; is it MQTT that listens on this port?".to_owned(),
                "服务器没有应答；请确认该端口上是 MQTT 服务".to_owned(),
            ),
            Error::Decode(cause) => self.pick(
                format!("this is not allowed in MQTT ({cause})"),
                format!("不符合 MQTT 规范（{cause}）"),
            ),
            Error::TooLarge { bytes, max } => self.pick(
                format!("the message makes a packet of {bytes} bytes, and the broker takes {max}; raise mqtt.max_packet_size there, or send less"),
                format!("报文有 {bytes} 字节，服务器最多接受 {max} 字节；请提高服务器的 mqtt.max_packet_size，或减小消息"),
            ),
            other => self.pick(other.to_string(), format!("出错：{other}")),
        }
    }

    fn refusal(self, reason: Reason, words: &str) -> String {
        let (en, zh) = match reason {
            Reason::BAD_USER_NAME_OR_PASSWORD | Reason::NOT_AUTHORIZED => (
                "give user name and password with -u and --password-file",
                "请用 -u 和 --password-file 提供用户名与密码",
            ),
            Reason::CLIENT_ID_NOT_VALID => (
                "choose another client id with -i",
                "请用 -i 换一个客户端 ID",
            ),
            Reason::UNSUPPORTED_PROTOCOL_VERSION => {
                ("try another version: -V 311", "请换用其他版本：-V 311")
            }
            Reason::BAD_AUTHENTICATION_METHOD => (
                "leave out -D connect authentication-method",
                "请去掉 -D connect authentication-method",
            ),
            Reason::BANNED => (
                "the broker's bans name this client",
                "该客户端在服务器的黑名单中",
            ),
            _ => ("the broker's log says more", "详情请看服务器的日志"),
        };
        let words = in_parentheses(words);
        self.pick(
            format!("the broker refused the connection: {reason}{words}; {en}"),
            format!("服务器拒绝了连接：{reason}{words}；{zh}"),
        )
    }

    fn ending(self, reason: Reason, words: &str) -> String {
        let (en, zh) = match reason {
            Reason::SESSION_TAKEN_OVER => (
                "another client has the same id; choose another one with -i",
                "另一个客户端使用了相同的 ID；请用 -i 换一个",
            ),
            _ => ("the broker's log says more", "详情请看服务器的日志"),
        };
        let words = in_parentheses(words);
        self.pick(
            format!("the broker ended the connection: {reason}{words}; {en}"),
            format!("服务器断开了连接：{reason}{words}；{zh}"),
        )
    }
}

/// What to do when TCP does not come about.
fn remedy(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::ConnectionRefused => (
            "nothing listens there: start the broker, or give its port with -p",
            "该端口无人监听：请启动服务器，或用 -p 指定端口",
        ),
        ErrorKind::TimedOut => (
            "a firewall may drop the packets, or the machine is off",
            "可能被防火墙拦截，或对方机器未开机",
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => (
            "no way leads there: look at the address and at this machine's network",
            "网络不可达：请检查地址与本机网络",
        ),
        _ => ("look at host and port", "请检查主机与端口"),
    }
}

/// What to do when TLS does not come about.
fn tls_remedy(fault: &TlsFault) -> (&'static str, &'static str) {
    match fault {
        TlsFault::Issuer => (
            "give the certificate of whoever signed it, or the broker's own, with --cafile",
            "请用 --cafile 给出签发者的证书，或服务器自己的证书",
        ),
        TlsFault::Name(_) => (
            "connect to one of its names with -h, or do without that check with --insecure",
            "请用 -h 连接证书上的名称，或用 --insecure 跳过该检查",
        ),
        TlsFault::Expired => (
            "the broker needs a new one; if it is new, look at the clock of this machine",
            "服务器需要换新证书；若证书是新的，请检查本机时钟",
        ),
        TlsFault::NotYet => ("look at the clock of this machine", "请检查本机时钟"),
        TlsFault::NotTls => (
            "leave out the options of TLS, or give the port that has it with -p: usually 8883",
            "请去掉 TLS 选项，或用 -p 指定 TLS 端口，通常为 8883",
        ),
        TlsFault::Closed => (
            "is it TLS that listens on this port? 8883 usually is, 1883 is not",
            "请确认该端口提供 TLS：通常 8883 是，1883 不是",
        ),
        TlsFault::Wanted => (
            "give one that it accepts, and its key, with --cert and --key",
            "请用 --cert 和 --key 给出服务器认可的证书及私钥",
        ),
        TlsFault::Unwanted(_) => (
            "give one of --cert and --key that the broker's CA signed",
            "请用 --cert 和 --key 给出由服务器认可的 CA 签发的证书",
        ),
        TlsFault::BrokenOff => (
            "it may want a certificate, --cert and --key, or have none of the --ciphers",
            "服务器可能要求客户端证书（--cert 和 --key），或没有 --ciphers 中的任何套件",
        ),
        TlsFault::NothingInCommon => (
            "leave out --tls-version and --ciphers; a broker that has neither TLS 1.2 nor 1.3 cannot be reached",
            "请去掉 --tls-version 和 --ciphers；不支持 TLS 1.2 或 1.3 的服务器无法连接",
        ),
        _ => (
            "openssl s_client -connect HOST:PORT shows what the broker has",
            "可用 openssl s_client -connect 主机:端口 查看服务器的情况",
        ),
    }
}

fn in_parentheses(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({words})")
    }
}
