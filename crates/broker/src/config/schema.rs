//! The one table of settings. A line gives a key its kind, default, range, whether a reload applies
//! it, and its documentation in English and Chinese; the typed structs, the defaults, the error
//! texts, `ternmq.toml` and the lists of the tools are all made from it. To add a setting, add a
//! line here and run the tests with `TERNMQ_BLESS=1`.

use engine::{QueueFull, Strategy};

use super::kind::{
    AccessRules, Authenticators, Binds, ByteRate, Bytes, Choice, Count, Gateways, Hosts, Kind,
    Maybe, Mountpoint, Networks, Origins, Place, Range, Rate, Ratio, Risks, Switch, Text, Time,
    Versions, Words, allowed, built_in, checked,
};
use super::raw::Raw;
use super::{Config, Lang};

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With a reload.
    Reload,
    /// When the broker is started again.
    Restart,
    /// The same, and needed before the store is open: it cannot be saved there.
    Early,
}

/// One line of the table.
#[derive(Debug)]
pub struct Key {
    /// Where it stands; `*` is a name of the user's choice. Several for a key that several sections
    /// have.
    pub sections: &'static [&'static str],
    pub name: &'static str,
    pub when: When,
    /// One sentence for people: English, Chinese.
    pub doc: [&'static str; 2],
    /// What may be written.
    pub allowed: fn(Lang) -> String,
    /// Sets the value at this path (which matches a section); false if it is not allowed.
    pub(super) set: fn(&mut Config, &[String], &Raw) -> bool,
    /// The value at this path in TOML notation, if the path exists.
    pub(super) show: fn(&Config, &[String]) -> Option<String>,
}

/// Makes the struct of a section, its defaults and its part of the table.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $Section:ident, $sections:expr, $KEYS:ident, $place:path, $look:path;
        $(
            $name:ident: $kind:ty = $default:literal $([$min:literal, $max:literal])? $when:ident
            $(only [$($only:literal),+])?
            $en:literal $zh:literal;
        )*
        $(
            #[doc = $about:literal]
            with $field:ident: $Type:ty;
        )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section {
            $( #[doc = $en] pub $name: <$kind as Kind>::Out, )*
            $( #[doc = $about] pub $field: $Type, )?
        }

        impl Default for $Section {
            fn default() -> Self {
                Self {
                    $( $name: built_in::<$kind>($default, range!($($min, $max)?)), )*
                    $( $field: Default::default(), )?
                }
            }
        }

        const $KEYS: &[Key] = &[ $(
            Key {
                sections: sections!($sections $(, [$($only),+])?),
                name: stringify!($name),
                when: When::$when,
                doc: [$en, $zh],
                allowed: |lang| allowed::<$kind>(range!($($min, $max)?), lang),
                set: |config, path, raw| {
                    let value = checked::<$kind>(raw, range!($($min, $max)?));
                    let Some((section, value)) = $place(config, path).zip(value) else {
                        return false;
                    };
                    section.$name = value;
                    true
                },
                show: |config, path| {
                    $look(config, path).map(|section| <$kind as Kind>::show(&section.$name))
                },
            },
        )* ];
    };
}

/// The sections of a key: all of the struct's, or those that it names itself.
macro_rules! sections {
    ($all:expr) => {
        $all
    };
    ($all:expr, [$($only:literal),+]) => {
        &[$($only),+]
    };
}

macro_rules! range {
    () => {
        Range::None
    };
    ($min:literal, $max:literal) => {
        Range::Some([$min, $max])
    };
}

section! {
    /// Keys of no section.
    Node, &[""], NODE, Config::node_mut, Config::node_at;
    profile: Choice<Profile> = "home" Early
        "For whom the defaults are: home, where the local network is trusted; or production, where clients need credentials (mqtt.allow_anonymous), may do what a rule allows and nothing else (no_match), the dashboard is reached from this machine only (dashboard.bind), back ends are those of this machine (outbound.networks), figures for Prometheus need a key, and a start that strangers could make use of is refused. `ternmq ctl config show` tells which defaults come from the profile."
        "默认值适用的场景：home，信任局域网；production，客户端必须提供用户名和密码（mqtt.allow_anonymous），只能做规则允许的事（no_match），控制台只能从本机访问（dashboard.bind），后端只限本机（outbound.networks），Prometheus 指标需要密钥，存在危险的薄弱点时拒绝启动。`ternmq ctl config show` 标出哪些默认值来自 profile。";
    accepted_risks: Risks = "[]" Restart
        "Weak points with which the broker starts all the same in the profile production, by the names that `ternmq check` has for them."
        "production 下仍允许启动的危险薄弱点，名称同 `ternmq check`。";
    data_dir: Place = "./ternmq-data" Early
        "Directory of everything that is kept; relative to where the broker is started."
        "保存全部数据的目录；相对路径以启动时的目录为准。";
    shards: Count<u16> = "0" ["0", "32"] Restart
        "Threads that serve connections; 0 means one per core."
        "处理连接的线程数；0 表示每个 CPU 核一个。";
    max_memory: Maybe<Bytes<u64>> = "none" ["32MB", "1024GB"] Reload
        "Memory of the process from four fifths of which the broker saves itself: whoever publishes is read slowly, and clients that come are told to come later; none for what the container or the machine has."
        "进程内存上限；达到其五分之四时服务器自我保护：发布者被放慢读取，新来的客户端被告知稍后再来；none 表示容器或机器的内存。";
    durability: Choice<Durability> = "sync" Early
        "When an acknowledged message is safe: sync, from power cuts too, before it is acknowledged; interval, after store.sync_interval at most; os, when the system gets to it. All three survive the end of the process."
        "已确认的消息何时能经受断电：sync 在确认之前；interval 最迟在 store.sync_interval 之后；os 由操作系统决定。进程退出时三者都不丢失。";
}

section! {
    /// `[log]`
    Log, &["log"], LOG, Config::log_mut, Config::log_at;
    level: Choice<Level> = "info" Reload
        "The least important messages that are logged."
        "日志级别。";
    format: Choice<Format> = "text" Early
        "A line of the log: text for people, or one JSON object with time, level and message."
        "日志行的格式：text 供人阅读；json 为每行一个对象，含 time、level、message。";
    file: Maybe<Place> = "none" Early
        "The file that is logged to; none is standard error, which under systemd is the journal."
        "日志文件；none 表示标准错误输出（在 systemd 下即 journal）。";
    max_size: Bytes<u64> = "10MB" ["4KB", "100GB"] Early
        "Size at which the file is put aside, as FILE.1, and a new one is begun."
        "日志文件达到此大小时改名为 FILE.1，并开始新文件。";
    max_files: Count<u16> = "5" ["1", "1000"] Early
        "Files of the log that are kept, with the one that is written."
        "保留的日志文件数（含正在写入的文件）。";
}

section! {
    /// `[store]`
    Store, &["store"], STORE, Config::store_mut, Config::store_at;
    sync_interval: Time = "1s" ["10ms", "1m"] Early
        "With durability = \"interval\": time between two syncs, the most that a power cut can take."
        "durability = \"interval\" 时两次同步的间隔，即断电最多丢失这段时间的数据。";
    max_bytes: Bytes<u64> = "4GB" ["16MB", "1024GB"] Early
        "Bytes on disk of messages that wait for sessions; beyond it the oldest go, counted for each session that had not read them."
        "等待会话读取的消息所占的磁盘空间；超出后删除最旧的消息，并为尚未读到的会话计数。";
    max_age: Maybe<Time> = "none" ["1m", "49710d"] Early
        "How old a message that waits becomes before it goes; none leaves that to its own expiry and to the session's."
        "消息最多等待多久，超过即删除；none 表示只看消息与会话各自的过期时间。";
}

section! {
    /// `[listeners.<kind>.<name>]`
    Listener, &["listeners.tcp.*", "listeners.ssl.*", "listeners.ws.*", "listeners.wss.*"], LISTENER, Config::listener_mut, Config::listener_at;
    bind: Binds = "0" Reload
        "Where to listen."
        "监听地址。";
    enabled: Switch = "true" Reload
        "Whether it listens at all."
        "是否启用。";
    max_connections: Maybe<Count<u32>> = "none" ["1", "100000000"] Reload
        "Connections at one time; further ones are closed at once."
        "最大同时连接数，超出的连接立即关闭。";
    access_rules: AccessRules = "[\"allow all\"]" Reload
        "Whom it takes by address, behind a proxy by the client's own: the first rule that is about it decides, and where none is it comes in."
        "按地址决定接受哪些客户端（经代理时为客户端自己的地址）：由第一条适用的规则决定，没有适用的规则时接受。";
    mountpoint: Maybe<Mountpoint> = "none" Reload
        "Prefix of all topics of its clients, who do not see it: such as \"lab/\", or \"${username}/\" and \"${clientid}/\" for a place of each one's own. A session is gone on with from listeners that show all of its topics: its own, or one without a mountpoint; from elsewhere its client begins a new one."
        "该监听器所有客户端的主题前缀，客户端自己看不到：例如 \"lab/\"；\"${username}/\" 或 \"${clientid}/\" 让每个客户端各有一处。会话只能从看得到其全部主题的监听器继续：同一前缀，或没有前缀；从别处连接时开始新会话。";
    authenticators: Maybe<Authenticators> = "none" Reload
        "Authenticators that are asked about its clients, such as [\"jwt\"], in the order of all; none means all of them, and [] nobody: then they come in as if there were no authenticators."
        "对该监听器的客户端询问哪些认证器，例如 [\"jwt\"]，顺序与总顺序相同；none 表示全部，[] 表示都不询问，此时与没有认证器时一样连接。";
    max_conn_rate: Maybe<Rate> = "none" Reload
        "Connections that are taken in a time; further ones wait in the system's queue."
        "单位时间内接受的连接数；其余连接在系统队列中等待。";
    messages_rate: Maybe<Rate> = "none" Reload
        "PUBLISH packets of one client in a time; a faster one is not read for a while, and loses nothing."
        "每个客户端单位时间内的 PUBLISH 报文数；超过时暂停读取，不丢弃。";
    bytes_rate: Maybe<ByteRate> = "none" Reload
        "Bytes of one client in a time; a faster one is not read for a while, and loses nothing."
        "每个客户端单位时间内的字节数；超过时暂停读取，不丢弃。";
    total_messages_rate: Maybe<Rate> = "none" Reload
        "PUBLISH packets of all clients of the listener together, likewise."
        "该监听器全部客户端单位时间内的 PUBLISH 报文总数，处理同上。";
    total_bytes_rate: Maybe<ByteRate> = "none" Reload
        "Bytes of all clients of the listener together, likewise."
        "该监听器全部客户端单位时间内的总字节数，处理同上。";
    allowed_origins: Origins = "[]" Reload only ["listeners.ws.*", "listeners.wss.*"]
        "Web pages that may connect, besides those of the broker's own host and programs that are no browsers."
        "允许连接的网页来源；与服务器同主机的网页和非浏览器程序总是允许。";
    forwarded_for: Switch = "false" Reload only ["listeners.ws.*", "listeners.wss.*"]
        "Whether a proxy in front (nginx) tells with X-Forwarded-For where each connection comes from; it is believed if it connects from this machine, a private address or proxy_networks."
        "前面的代理（nginx）是否用 X-Forwarded-For 说明每个连接的真实来源；仅当代理来自本机、私有地址或 proxy_networks 时采信。";
    proxy_protocol: Switch = "false" Reload
        "Whether a proxy in front (HAProxy, nginx) tells with a PROXY header, version 1 or 2, where each connection comes from; one without the header is refused."
        "前面的代理（HAProxy、nginx）是否用 PROXY 协议头（版本 1 或 2）说明每个连接的真实来源；没有该头的连接会被拒绝。";
    proxy_networks: Networks = "[]" Reload
        "With proxy_protocol or forwarded_for: networks that proxies connect from, besides this machine and private addresses; with proxy_protocol, others are refused."
        "proxy_protocol 或 forwarded_for 时代理所在的网络（本机与私有地址除外，它们总是允许）；proxy_protocol 时，来自其他地址的连接会被拒绝。";
    /// What TLS listeners have besides.
    with ssl_options: SslOptions;
}

section! {
    /// `[listeners.ssl.<name>.ssl_options]`, `[listeners.wss.<name>.ssl_options]`
    SslOptions, &["listeners.ssl.*.ssl_options", "listeners.wss.*.ssl_options"], SSL_OPTIONS,
    Config::ssl_options_mut, Config::ssl_options_at;
    certfile: Maybe<Place> = "none" Reload
        "Certificate chain (PEM), the listener's own first; none for the certificate that the broker makes for itself in its data directory. The files are read again when they change."
        "证书链文件（PEM），监听器自己的证书在最前；none 表示使用服务器在数据目录中自动生成的证书。文件变化后会自动重新读取。";
    keyfile: Maybe<Place> = "none" Reload
        "Its private key (PEM, without a password)."
        "对应的私钥文件（PEM，不带密码）。";
    certdir: Maybe<Place> = "none" Reload
        "Directory of further certificates, each NAME.pem with its key NAME.key: a client that asks for a host name that one of them is for gets that one."
        "更多证书所在的目录，每个证书为 NAME.pem，私钥为 NAME.key：客户端请求的主机名属于其中某个证书时，使用该证书。";
    cacertfile: Maybe<Place> = "none" Reload
        "Authorities (PEM) whose client certificates are accepted; needed for verify_peer."
        "签发客户端证书的 CA 证书文件（PEM）；verify_peer 需要它。";
    verify: Choice<Verify> = "verify_none" Reload
        "Whether clients are asked for a certificate: verify_peer asks and refuses a wrong one."
        "是否要求客户端证书：verify_peer 会要求证书，并拒绝不合格的证书。";
    fail_if_no_peer_cert: Switch = "false" Reload
        "With verify_peer: whether a client without a certificate is refused."
        "verify_peer 时，是否拒绝没有证书的客户端。";
    crlfile: Maybe<Place> = "none" Reload
        "Revocation lists (PEM) of these authorities: a certificate that one names is refused, and so is one whose authority has no list there."
        "这些 CA 的证书吊销列表文件（PEM）：被吊销的证书会被拒绝，其 CA 在文件中没有列表的证书也会被拒绝。";
    versions: Versions = "[\"tlsv1.3\", \"tlsv1.2\"]" Reload
        "Versions of TLS that are spoken."
        "允许的 TLS 版本。";
    handshake_timeout: Time = "10s" ["100ms", "5m"] Reload
        "Time from the start of a connection to the end of its TLS handshake; after it mqtt.connect_timeout runs."
        "建立连接后必须在此时间内完成 TLS 握手；之后按 mqtt.connect_timeout 计时。";
}

section! {
    /// `[dashboard]`
    Dashboard, &["dashboard"], DASHBOARD, Config::dashboard_mut, Config::dashboard_at;
    bind: Binds = "18083" Restart
        "Where the dashboard and the REST API listen."
        "控制台与 REST API 的监听地址。";
    enabled: Switch = "true" Restart
        "Whether they listen at all."
        "是否启用。";
    max_topics: Count<usize> = "50000" ["100", "10000000"] Reload
        "Topics that the topic tree counts while somebody looks at it; messages of others are counted together."
        "主题树在有人查看时统计的主题数上限；其余主题的消息合并统计。";
    max_topic_bytes: Bytes<usize> = "16MB" ["64KB", "64GB"] Reload
        "Memory for the names and last values of these topics."
        "这些主题的名称与最新值占用的内存上限。";
    allowed_hosts: Hosts = "[]" Reload
        "Names under which the dashboard may be asked for, as behind a reverse proxy; IP addresses, names without a dot, the machine's own name, *.local and *.lan need no mention."
        "允许访问控制台的主机名（例如经反向代理时）；IP 地址、不含点的名称、本机名称、*.local 与 *.lan 无需列出。";
}

section! {
    /// `[lan_guard]`
    LanGuard, &["lan_guard"], LAN_GUARD, Config::lan_guard_mut, Config::lan_guard_at;
    trusted: Networks = "[]" Reload
        "Networks that count as near, besides loopback and private addresses: a campus network, a VPN. Who comes from there need not sign in where the local network need not."
        "除本机与私有地址外视为局域网的网络（例如校园网、VPN）；局域网无需登录之处，来自这些网络者同样无需登录。";
    gateway: Gateways = "auto" Reload
        "In a container whose ports a program beside it serves, everybody comes from its gateway's address. auto: from there nobody counts as near; trust: everybody does; or the address or network that such a program has where it is not found."
        "容器端口由宿主上的程序转发时，所有来源看起来都是容器网关的地址。auto：来自该地址者不视为局域网；trust：视为局域网；自动识别不到时可写明该地址或网络。";
}

section! {
    /// `[outbound]`
    Outbound, &["outbound"], OUTBOUND, Config::outbound_mut, Config::outbound_at;
    networks: Maybe<Networks> = "none" Early
        "Networks that authenticators, sources of rules and keys of tokens may be fetched from; none for all. Link-local addresses and the metadata services of clouds have to be named by themselves. In the profile production it is this machine."
        "认证器、规则来源与令牌密钥可以访问的网络；none 表示不限。链路本地地址与云的元数据服务须单独写明。production 下默认只有本机。";
}

section! {
    /// `[flapping_detect]`
    FlappingDetect, &["flapping_detect"], FLAPPING_DETECT, Config::flapping_detect_mut, Config::flapping_detect_at;
    enable: Switch = "false" Reload
        "Whether clients that come and go too often are banned for a while, by their client id."
        "是否暂时禁止频繁上下线的客户端（按客户端 ID）。";
    window_time: Time = "1m" ["1s", "1h"] Reload
        "The time in which their disconnects are counted."
        "统计断开次数的时间窗口。";
    max_count: Count<u32> = "15" ["2", "1000000"] Reload
        "Disconnects in that time from which on it is too often."
        "时间窗口内断开达到此次数即视为频繁。";
    ban_time: Time = "5m" ["1s", "49710d"] Reload
        "How long they are banned."
        "禁止的时长。";
}

section! {
    /// `[mqtt]`
    Mqtt, &["mqtt"], MQTT, Config::mqtt_mut, Config::mqtt_at;
    allow_anonymous: Switch = "true" Reload
        "Whether clients may connect without a user name and password; see lan_guard for where from."
        "是否允许客户端不带用户名和密码连接；允许的来源见 lan_guard。";
    bootstrap_users: Maybe<Place> = "none" Restart
        "File of users (.csv or .json as EMQX's, any other name: a password file of mosquitto's) that are added at the start, where they are not there yet."
        "启动时导入的 MQTT 用户文件（.csv 或 .json 为 EMQX 格式，其他文件名为 mosquitto 密码文件）；已存在的用户保持不变。";
    bootstrap_rules: Maybe<Place> = "none" Restart
        "File of access rules (TOML, EMQX's acl.conf or mosquitto's acl_file) that is taken at the start, where no file of rules was taken yet."
        "启动时导入的访问规则文件（TOML、EMQX 的 acl.conf 或 mosquitto 的 acl_file）；已有规则文件时保持不变。";
    peer_cert_as_username: Choice<NamedBy> = "disabled" Reload
        "Whether the certificate of a client, checked by a listener with verify_peer, says who it is: by its common name (cn), its whole subject (dn), or the first of its alternative names (san). It needs no password then."
        "客户端证书（由 verify_peer 的监听器校验）是否代表其用户名：通用名（cn）、完整主题（dn）或第一个备用名称（san）。此时不需要密码。";
    peer_cert_as_clientid: Choice<NamedBy> = "disabled" Reload
        "Whether it says the client id, too, whatever the client calls itself."
        "客户端证书是否同时决定客户端 ID，无论客户端自称什么。";
    use_username_as_clientid: Switch = "false" Reload
        "Whether the user name of a client is its client id, whatever the client calls itself. Without a user name the client id stays; peer_cert_as_clientid comes first."
        "客户端的用户名是否同时作为客户端 ID，无论客户端自称什么。没有用户名时客户端 ID 不变；peer_cert_as_clientid 优先。";
    max_packet_size: Bytes<u32> = "1MB" ["64", "256MB"] Reload
        "Largest packet accepted."
        "允许的最大报文。";
    max_connect_size: Bytes<u32> = "256KB" ["64", "256MB"] Reload
        "Largest CONNECT packet accepted, from peers not yet known."
        "允许的最大 CONNECT 报文（此时客户端身份未知）。";
    max_payload_size: Maybe<Bytes<u32>> = "none" ["1", "256MB"] Reload
        "Largest payload of a PUBLISH; none leaves it to max_packet_size."
        "PUBLISH 消息内容的最大长度；none 表示只受 max_packet_size 限制。";
    max_clientid_len: Count<u16> = "1024" ["23", "65535"] Reload
        "Longest client id, in bytes."
        "客户端 ID 的最大字节数。";
    max_topic_levels: Count<u16> = "128" ["1", "65535"] Reload
        "Most levels of a topic or filter."
        "主题与主题过滤器的最大层数。";
    max_topic_alias: Count<u16> = "32" ["0", "65535"] Reload
        "Topic aliases a client may use; 0 for none."
        "客户端可用的主题别名数；0 表示不允许。";
    max_qos_allowed: Count<u8> = "2" ["0", "2"] Reload
        "Highest QoS that clients may publish with."
        "允许发布的最高 QoS。";
    retain_available: Switch = "true" Reload
        "Whether retained messages are kept."
        "是否支持保留消息。";
    wildcard_subscriptions: Switch = "true" Reload
        "Whether filters may have + and #."
        "是否允许通配符订阅。";
    shared_subscriptions: Switch = "true" Reload
        "Whether $share/<group>/... and $queue/... are served."
        "是否支持共享订阅（$share/<组>/... 和 $queue/...）。";
    shared_strategy: Choice<Strategy> = "round_robin" Reload
        "Which member of a shared subscription gets a message."
        "共享订阅中由哪个成员接收消息。";
    max_inflight: Count<u16> = "1024" ["1", "65535"] Reload
        "QoS 1 and 2 messages under way to or from a client at one time."
        "每个客户端每个方向同时在途的 QoS 1 和 2 消息数。";
    max_awaiting_rel: Count<u16> = "1024" ["1", "65535"] Reload
        "QoS 2 messages of a client that wait for its PUBREL."
        "等待客户端 PUBREL 的 QoS 2 消息数。";
    await_rel_timeout: Time = "300s" ["1s", "7d"] Reload
        "How long one waits for its PUBREL, at least; it is forgotten before twice that time."
        "至少等待 PUBREL 的时间；不超过两倍后即遗忘。";
    upgrade_qos: Switch = "false" Reload
        "Deliver with the subscription's QoS even where the message was published with a lower one."
        "消息 QoS 低于订阅 QoS 时，按订阅的 QoS 投递。";
    max_keepalive: Count<u16> = "65535" ["1", "65535"] Reload
        "Longest keep-alive in seconds that a client may choose."
        "客户端可选的最长 keepalive（秒）。";
    server_keepalive: Maybe<Count<u16>> = "none" ["1", "65535"] Reload
        "A keep-alive in seconds for everybody; none lets clients choose."
        "统一规定的 keepalive（秒）；none 表示由客户端决定。";
    keepalive_multiplier: Ratio = "1.5" ["1.0", "10.0"] Reload
        "Silence of this many keep-alives ends a connection."
        "静默超过 keepalive 的多少倍即断开。";
    connect_timeout: Time = "5s" ["100ms", "5m"] Reload
        "Time from the start of a connection to its CONNECT."
        "建立连接后必须在此时间内发来 CONNECT。";
    authentication_timeout: Time = "10s" ["100ms", "5m"] Reload
        "Time from CONNECT until the authenticators have said who the client is; whoever waits longer is told that the broker is busy."
        "从收到 CONNECT 到认证器确认身份的最长时间；超时的客户端会被告知服务器繁忙。";
    max_pending: Count<usize> = "10000" ["16", "10000000"] Reload
        "Connections that have not sent CONNECT, at one time."
        "尚未发来 CONNECT 的连接总数上限。";
    max_pending_per_address: Count<u32> = "5000" ["0", "10000000"] Reload
        "Such connections from one address (one /64 network of IPv6); further ones from there are refused. 0 is no bound."
        "同一来源地址（IPv6 按 /64 网段）的此类连接数上限；超出的新连接被拒绝。0 表示不限。";
    max_pending_bytes: Bytes<usize> = "32MB" ["256KB", "64GB"] Reload
        "Memory for what such connections have sent, all together."
        "这些连接已发来的数据占用的内存总上限。";
    max_incomplete_bytes: Bytes<usize> = "128MB" ["1MB", "64GB"] Reload
        "Memory for packets of connected clients that have not arrived whole; further ones wait in their sockets."
        "已连接客户端尚未收齐的报文占用的内存总上限；超出后其余报文留在各自的套接字中等待。";
    max_sessions: Count<usize> = "1000000" ["1", "100000000"] Reload
        "Sessions, connected or not."
        "会话总数上限（包括离线）。";
    max_subscriptions: Count<usize> = "10000" ["1", "10000000"] Reload
        "Subscriptions of one session."
        "每个会话的订阅数上限。";
    session_expiry: Time = "7d" ["0s", "49710d"] Reload
        "How long a session of a 3.1 or 3.1.1 client with clean session off is kept."
        "MQTT 3.1 与 3.1.1 持久会话（clean session 为 0）的保留时间。";
    max_session_expiry: Time = "7d" ["0s", "49710d"] Reload
        "The longest session expiry that a 5.0 client may ask for."
        "MQTT 5.0 客户端可要求的最长会话过期间隔。";
    max_queue: Count<usize> = "1000" ["0", "10000000"] Reload
        "QoS 1 and 2 messages that wait for one slow client; 8192 more while slow_grace runs."
        "每个慢客户端的排队消息数上限（QoS 1 和 2）；slow_grace 期间可再多 8192 条。";
    max_queue_bytes: Bytes<usize> = "16MB" ["0", "64GB"] Reload
        "Bytes that wait for one slow client."
        "每个慢客户端的排队字节数上限。";
    queue_full: Choice<QueueFull> = "drop_oldest" Reload
        "What happens when that queue is full and slow_grace used up: drop the oldest, or disconnect."
        "队列已满且 slow_grace 用尽时的处理：丢弃最旧的消息，或断开连接。";
    max_out_buffer: Bytes<usize> = "1MB" ["4KB", "1GB"] Reload
        "Bytes on their way into one socket before messages queue."
        "单个连接的发送缓冲区上限，超出后消息进入队列。";
    slow_grace: Time = "100ms" ["0s", "10s"] Reload
        "How long, in any 10 s, a client that falls behind may hold back those who publish to it."
        "每 10 秒内，慢客户端最多可让发布者等待多久。";
    max_user_properties: Count<u16> = "64" ["0", "65535"] Reload
        "User properties of one packet."
        "每个报文的用户属性数上限。";
    max_user_property_bytes: Bytes<u32> = "8KB" ["0", "256MB"] Reload
        "Bytes of the user properties of one packet, together."
        "每个报文的用户属性总字节数上限。";
    max_retained: Count<usize> = "1000000" ["0", "1000000000"] Reload
        "Retained messages; when there are as many, no topic is added."
        "保留消息总数上限，达到后不再增加新主题。";
    max_retained_bytes: Bytes<usize> = "512MB" ["0", "1024GB"] Reload
        "Bytes of all retained messages."
        "保留消息的总字节数上限。";
    max_retained_per_user: Count<usize> = "100000" ["1000", "1000000000"] Reload
        "About so many topics may have a retained message of one user, besides superusers; further ones are refused."
        "每个用户（超级用户除外）的保留消息数上限（约数），超出后拒绝新主题。";
    max_retained_size: Maybe<Bytes<u32>> = "none" ["1", "256MB"] Reload
        "Largest payload that may be retained."
        "单条保留消息内容的最大长度。";
    delayed_publish: Switch = "true" Reload
        "Whether messages for $delayed/SECONDS/TOPIC are published later; if not, they are refused."
        "发布到 $delayed/秒数/主题 的消息是否延迟发布；关闭则拒绝。";
    max_delayed: Count<u32> = "0" ["0", "1000000"] Reload
        "Messages that may wait for their time; 0 for 1000000, within 512 MB."
        "等待延迟发布的消息数上限；0 表示 1000000 条，且不超过 512 MB。";
    response_information: Maybe<Text> = "none" Reload
        "Told to 5.0 clients that ask for response information: the start of topics for their answers."
        "MQTT 5.0 客户端请求响应信息时告知的内容：其响应主题的前缀。";
    sys_interval: Time = "10s" ["0s", "1h"] Reload
        "Time between two publications of $SYS topics; 0s for none."
        "发布 $SYS 主题的间隔；0s 表示不发布。";
}

/// All keys, in the order in which they are documented. A static, so that a key is one place.
pub(super) static TABLE: [&[Key]; 10] = [
    NODE,
    LOG,
    STORE,
    LISTENER,
    SSL_OPTIONS,
    DASHBOARD,
    LAN_GUARD,
    OUTBOUND,
    FLAPPING_DETECT,
    MQTT,
];

/// Whom the defaults are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Home,
    Production,
}

impl Words for Profile {
    const WORDS: &'static [(&'static str, Self)] =
        &[("home", Self::Home), ("production", Self::Production)];
}

/// What of a client's certificate is its user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    Nothing,
    CommonName,
    Subject,
    AlternativeName,
}

impl Words for NamedBy {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disabled", Self::Nothing),
        ("cn", Self::CommonName),
        ("dn", Self::Subject),
        ("san", Self::AlternativeName),
    ];
}

/// Whether certificates of clients are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    None,
    Peer,
}

impl Verify {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "verify_none",
            Self::Peer => "verify_peer",
        }
    }
}

impl Words for Verify {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::None.name(), Self::None),
        (Self::Peer.name(), Self::Peer),
    ];
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Words for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl Words for Format {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// When what was acknowledged is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Sync,
    Interval,
    Os,
}

impl Words for Durability {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sync", Self::Sync),
        ("interval", Self::Interval),
        ("os", Self::Os),
    ];
}

impl Words for QueueFull {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("drop_oldest", Self::DropOldest),
        ("disconnect", Self::Disconnect),
    ];
}

impl Words for Strategy {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("round_robin", Self::RoundRobin),
        ("random", Self::Random),
        ("sticky", Self::Sticky),
        ("local", Self::Local),
        ("hash_clientid", Self::HashClientId),
        ("hash_topic", Self::HashTopic),
    ];
}

impl Key {
    /// What it is where nobody says anything, in TOML notation. `name` is its full name: listeners have
    /// theirs each.
    #[must_use]
    pub fn default(&self, name: &str, profile: Profile) -> String {
        let path = super::split(name);
        let config = Config::of(profile);
        (self.show)(&config, &path)
            .or_else(|| {
                let mut blank = path.clone();
                *blank.get_mut(2)? = "default".to_owned();
                let shown = (self.show)(&config, &blank)?;
                // Where to listen has to be said.
                Some(if self.name == "bind" {
                    "[]".to_owned()
                } else {
                    shown
                })
            })
            .unwrap_or_default()
    }

    /// Whether a path names this key.
    fn is_at(&self, path: &[String]) -> bool {
        path.last().is_some_and(|name| name == self.name)
            && self.sections.iter().any(|section| {
                let parts = parts(section);
                parts.len() + 1 == path.len()
                    && parts
                        .iter()
                        .zip(path)
                        .all(|(part, name)| *part == "*" || part == name)
            })
    }
}

/// The key that a path names.
pub(super) fn find(path: &[String]) -> Option<&'static Key> {
    TABLE.into_iter().flatten().find(|key| key.is_at(path))
}

/// Whether a path names a section, or the way to one.
pub(super) fn is_section(path: &[String]) -> bool {
    TABLE
        .into_iter()
        .flatten()
        .flat_map(|key| key.sections)
        .any(|section| {
            let parts = parts(section);
            path.len() <= parts.len()
                && parts
                    .iter()
                    .zip(path)
                    .all(|(part, name)| *part == "*" || part == name)
        })
}

/// The key whose name is nearest to one that does not exist, if it is near enough to be meant. The
/// names of listeners are taken from the path.
pub(super) fn nearest(path: &[String]) -> Option<String> {
    let wrong = path.join(".");
    let last = path.last().map(String::as_str).unwrap_or_default();
    let mut best: Option<(usize, String)> = None;
    for key in TABLE.into_iter().flatten() {
        for section in key.sections {
            let mut parts = parts(section);
            if let Some(any) = parts.get_mut(2).filter(|part| **part == "*") {
                *any = if path.len() > 3 { &path[2] } else { "default" };
            }
            parts.push(key.name);
            let name = parts.join(".");
            // The right word in the wrong section is as near as can be.
            let far = distance(&wrong, &name).min(if last == key.name { 1 } else { usize::MAX });
            if best.as_ref().is_none_or(|(least, _)| far < *least) {
                best = Some((far, name));
            }
        }
    }
    best.filter(|(far, _)| *far <= 1 + last.len() / 3)
        .map(|(_, name)| name)
}

fn parts(section: &'static str) -> Vec<&'static str> {
    section.split('.').filter(|part| !part.is_empty()).collect()
}

/// Levenshtein's distance in bytes. Names in a file may be long: only their start is compared.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (&a.as_bytes()[..a.len().min(100)], b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
