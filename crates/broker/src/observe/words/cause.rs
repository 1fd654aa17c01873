//! Cause and remedy of everything for which we refuse or end a connection, in both languages.

use engine::Cause;

use super::{Words, stranger, tls, words};
use crate::config::Lang;

pub(in crate::observe) const fn of(cause: Cause, lang: Lang) -> Words {
    let (en, zh) = match cause {
        Cause::HttpOnMqtt => (
            [
                "A browser or HTTP program came to an MQTT port.",
                "Open the dashboard's port in the browser (18083 by default); this port is for MQTT clients.",
            ],
            [
                "浏览器或 HTTP 程序连接了 MQTT 端口。",
                "浏览器请打开控制台端口（默认 18083）；此端口供 MQTT 客户端使用。",
            ],
        ),
        Cause::TlsOnMqtt => tls::TLS_ON_MQTT,
        Cause::TlsOnWebSocket => tls::TLS_ON_WEB_SOCKET,
        Cause::ProxyHeader(_) => (
            [
                "This listener is for proxies, and the connection did not begin with a correct PROXY header.",
                "Let the proxy send it (HAProxy: send-proxy-v2, nginx: proxy_protocol on); clients without a proxy use another listener, or set proxy_protocol = false.",
            ],
            [
                "此监听器供代理使用，而连接没有以正确的 PROXY 协议头开始。",
                "请让代理发送该头（HAProxy：send-proxy-v2，nginx：proxy_protocol on）；不经代理的客户端请用其他监听器，或设置 proxy_protocol = false。",
            ],
        ),
        Cause::ProxyStranger => (
            [
                "This listener is for proxies, and the address is no proxy's.",
                "If it is your proxy, add its network to proxy_networks of this listener; clients without a proxy use another listener.",
            ],
            [
                "此监听器供代理使用，而该地址不是代理。",
                "如果这是您的代理，请把它的网段加入该监听器的 proxy_networks；不经代理的客户端请用其他监听器。",
            ],
        ),
        Cause::ListenerAccess => (
            [
                "The listener's access rules keep this address out.",
                "If it is to come in, let access_rules of this listener begin with: allow ADDRESS.",
            ],
            [
                "该监听器的访问规则不允许此地址。",
                "若要允许，请在该监听器的 access_rules 最前面加上：allow 地址。",
            ],
        ),
        Cause::MqttOnTls => tls::MQTT_ON_TLS,
        Cause::HttpOnTls => tls::HTTP_ON_TLS,
        Cause::TlsTimeout => tls::TLS_TIMEOUT,
        Cause::TlsClosed => tls::TLS_CLOSED,
        Cause::TlsNotTrusted => tls::TLS_NOT_TRUSTED,
        Cause::TlsVersion => tls::TLS_VERSION,
        Cause::TlsNoCertificate => tls::TLS_NO_CERTIFICATE,
        Cause::TlsCertificate(_) => tls::TLS_CERTIFICATE,
        Cause::TlsHandshake(_) => tls::TLS_HANDSHAKE,
        Cause::TlsRecord(_) => tls::TLS_RECORD,
        Cause::MqttOnWebSocket => (
            [
                "The client speaks plain MQTT to a WebSocket port.",
                "Use the MQTT port (1883), or choose WebSocket (ws://) as transport in the client.",
            ],
            [
                "客户端用普通 MQTT 连接了 WebSocket 端口。",
                "改用 MQTT 端口（1883），或在客户端选择 WebSocket（ws://）。",
            ],
        ),
        Cause::NotHttp => (
            [
                "What came to this WebSocket port is neither HTTP nor MQTT.",
                "Look at which program connects from this address; WebSocket clients use ws://host:8083/mqtt.",
            ],
            [
                "发到此 WebSocket 端口的内容既不是 HTTP 也不是 MQTT。",
                "查看该地址上是哪个程序在连接；WebSocket 客户端使用 ws://主机:8083/mqtt。",
            ],
        ),
        Cause::HttpOnWebSocket => (
            [
                "A browser or HTTP program came to the WebSocket port.",
                "Open the dashboard's port in the browser (18083 by default); MQTT clients use ws://host:8083/mqtt.",
            ],
            [
                "浏览器或 HTTP 程序连接了 WebSocket 端口。",
                "浏览器请打开控制台端口（默认 18083）；MQTT 客户端使用 ws://主机:8083/mqtt。",
            ],
        ),
        Cause::WebSocketPath => (
            [
                "The WebSocket path is wrong.",
                "Set the path to /mqtt in the client (/ws and / are accepted too).",
            ],
            [
                "WebSocket 路径不正确。",
                "在客户端把路径设为 /mqtt（也接受 /ws 和 /）。",
            ],
        ),
        Cause::WebSocketProtocol => (
            [
                "The WebSocket client did not offer the sub-protocol mqtt.",
                "Use an MQTT library, or open the WebSocket with new WebSocket(url, \"mqtt\").",
            ],
            [
                "WebSocket 客户端没有提出子协议 mqtt。",
                "请使用 MQTT 库，或用 new WebSocket(url, \"mqtt\") 打开连接。",
            ],
        ),
        Cause::WebSocketOrigin => (
            [
                "A web page of another host wanted to connect.",
                "If the page is yours, add its origin to allowed_origins of this listener (listeners.ws.default.allowed_origins).",
            ],
            [
                "来自其他主机的网页请求连接。",
                "如果这是您的网页，请把它的来源加入该监听器的 allowed_origins（listeners.ws.default.allowed_origins）。",
            ],
        ),
        Cause::WebSocketHandshake(_) => (
            [
                "The WebSocket handshake is wrong.",
                "Look at the detail; a proxy in between may drop the Upgrade and Connection headers.",
            ],
            [
                "WebSocket 握手有误。",
                "请看详情；中间的代理可能丢掉了 Upgrade 和 Connection 头。",
            ],
        ),
        Cause::WebSocketFrame(_) => (
            [
                "A WebSocket frame is wrong.",
                "Look at the detail; MQTT is sent in binary frames only.",
            ],
            ["WebSocket 帧有误。", "请看详情；MQTT 只能用二进制帧发送。"],
        ),
        Cause::WebSocketClosed => (
            [
                "The client closed the WebSocket.",
                "Nothing to do if it was meant; MQTT clients send DISCONNECT first.",
            ],
            [
                "客户端关闭了 WebSocket。",
                "如果是有意关闭则无需处理；MQTT 客户端应先发送 DISCONNECT。",
            ],
        ),
        Cause::ConnectTimeout => (
            [
                "The connection was opened but no CONNECT came in time.",
                "Check the port and the client's transport; on slow networks raise mqtt.connect_timeout.",
            ],
            [
                "连接已建立，但没有按时发来 CONNECT。",
                "检查端口和客户端的传输方式；网络很慢时增大 mqtt.connect_timeout。",
            ],
        ),
        Cause::ClosedEarly => stranger::CLOSED_EARLY,
        Cause::PendingMax => stranger::PENDING_MAX,
        Cause::PendingPerAddressMax => stranger::PENDING_PER_ADDRESS_MAX,
        Cause::PendingBytesMax => stranger::PENDING_BYTES_MAX,
        Cause::ConnectionsMax => (
            [
                "The listener has as many connections as it may.",
                "Raise max_connections of this listener, or close connections that are not needed.",
            ],
            [
                "该监听器的连接数已达上限。",
                "增大该监听器的 max_connections，或关闭不需要的连接。",
            ],
        ),
        Cause::NoFiles => (
            [
                "The broker has no file descriptor left.",
                "Raise the limit: ulimit -n, LimitNOFILE in the service file, --ulimit nofile for containers.",
            ],
            [
                "服务器的文件描述符已用尽。",
                "提高上限：ulimit -n、服务文件中的 LimitNOFILE，或容器的 --ulimit nofile。",
            ],
        ),
        Cause::NotConnect => (
            [
                "The first packet is not CONNECT: the peer does not speak MQTT.",
                "Check which program uses this port, and the client's transport and port.",
            ],
            [
                "第一个报文不是 CONNECT：对方使用的不是 MQTT。",
                "检查是哪个程序在使用此端口，以及客户端的传输方式和端口。",
            ],
        ),
        Cause::ProtocolName => (
            [
                "The protocol name in CONNECT is not MQTT.",
                "Choose MQTT 3.1, 3.1.1 or 5.0 in the client.",
            ],
            [
                "CONNECT 中的协议名不是 MQTT。",
                "在客户端选择 MQTT 3.1、3.1.1 或 5.0。",
            ],
        ),
        Cause::ProtocolVersion => (
            [
                "The client speaks a version of MQTT that does not exist here.",
                "Choose MQTT 3.1, 3.1.1 or 5.0 in the client.",
            ],
            [
                "客户端使用的 MQTT 版本不受支持。",
                "在客户端选择 MQTT 3.1、3.1.1 或 5.0。",
            ],
        ),
        Cause::AuthenticationMethod => (
            [
                "The client wants to prove who it is by a method that no authenticator offers.",
                "Add an authenticator of that method (SCRAM-SHA-256 or SCRAM-SHA-512: mechanism scram), or remove the authentication method from the client's CONNECT and use a user name and password.",
            ],
            [
                "客户端要求的认证方法没有任何认证器提供。",
                "添加该方法的认证器（SCRAM-SHA-256 或 SCRAM-SHA-512：mechanism 为 scram），或在客户端去掉认证方法，改用用户名和密码。",
            ],
        ),
        Cause::AuthenticationData(_) => (
            [
                "What the client sent to prove who it is is no message of the method that it names.",
                "Look at the client's library: SCRAM without channel binding, and each answer to the last question.",
            ],
            [
                "客户端发送的认证数据不符合它声明的认证方法。",
                "检查客户端库：使用不带通道绑定的 SCRAM，并依次回答服务器的每个问题。",
            ],
        ),
        Cause::ClientIdMissing(_) => (
            [
                "The client id is missing.",
                "Give the client an id of its own, or switch Clean Session on (MQTT 3.1.1).",
            ],
            [
                "缺少客户端 ID。",
                "为客户端设置唯一的客户端 ID，或启用清除会话（MQTT 3.1.1）。",
            ],
        ),
        Cause::ClientIdTooLong => (
            [
                "The client id is too long.",
                "Use a shorter one, or raise mqtt.max_clientid_len.",
            ],
            [
                "客户端 ID 过长。",
                "使用更短的客户端 ID，或增大 mqtt.max_clientid_len。",
            ],
        ),
        Cause::WrongPassword => (
            [
                "Wrong user name or password.",
                "Check both in the client; letters are case-sensitive.",
            ],
            [
                "用户名或密码错误。",
                "检查客户端中的用户名和密码；区分大小写。",
            ],
        ),
        Cause::UnknownUser => (
            [
                "No authenticator knows a user of this name.",
                "Add the user (Access control, Authentication), or correct the name in the client.",
            ],
            [
                "没有认证器认识该用户名。",
                "添加该用户（访问控制 - 认证），或在客户端更正用户名。",
            ],
        ),
        Cause::TokenExpired => (
            [
                "The client's token (JWT) has expired.",
                "Let the client fetch a new token and connect with it before the old one ends; check the clocks of both machines.",
            ],
            [
                "客户端的令牌（JWT）已过期。",
                "让客户端在旧令牌到期前获取新令牌并重新连接；检查两端的时钟。",
            ],
        ),
        Cause::TokenClaims => (
            [
                "The token (JWT) is genuine, but a claim in it is not as it has to be: verify_claims, nbf, iat or acl.",
                "Compare the token's claims with verify_claims of the authenticator (Access control, Authentication).",
            ],
            [
                "令牌（JWT）签名有效，但其中的声明不符合要求：verify_claims、nbf、iat 或 acl。",
                "将令牌中的声明与认证器的 verify_claims 对照（访问控制 - 认证）。",
            ],
        ),
        Cause::AuthenticationBusy => (
            [
                "As many clients as may (mqtt.max_pending) wait to be authenticated already.",
                "Nothing to do if they all came at once, as after a restart: they come back. Otherwise look who opens so many.",
            ],
            [
                "等待认证的客户端已达上限（mqtt.max_pending）。",
                "如果是重启后大量客户端同时重连，无需处理，它们会自动重试；否则请查看是谁打开了这么多连接。",
            ],
        ),
        Cause::AuthenticationDenied => (
            [
                "An authenticator, such as a service asked over HTTP, says that this client may not come in.",
                "Whoever runs that service knows why; the authenticators are under Access control, Authentication.",
            ],
            [
                "认证器（例如 HTTP 认证服务）明确拒绝了该客户端。",
                "原因请询问该认证服务的维护者；认证器见“访问控制 - 认证”。",
            ],
        ),
        Cause::AuthenticationTimeout => (
            [
                "The client waited too long to be authenticated (mqtt.authentication_timeout).",
                "Nothing to do if many came at once: they come back. Otherwise look at the authenticators' status (Access control, Authentication).",
            ],
            [
                "等待认证超时（mqtt.authentication_timeout）。",
                "如果是大量客户端同时连接，无需处理，它们会自动重试；否则请查看认证器的状态（访问控制 - 认证）。",
            ],
        ),
        Cause::AuthenticatorFailed => (
            [
                "An authenticator could not say who the client is, so it was not let in.",
                "Look at the authenticators' status (Access control, Authentication) and at the log.",
            ],
            [
                "认证器出错，无法确认客户端身份，因此拒绝连接。",
                "查看认证器的状态（访问控制 - 认证）和日志。",
            ],
        ),
        Cause::Ticket => (
            [
                "The page's ticket was used before, has expired, or is another user's.",
                "Connect again; the page gets a new ticket each time.",
            ],
            [
                "页面的连接凭证已被使用、已过期，或属于其他用户。",
                "重新连接；页面每次都会取得新的凭证。",
            ],
        ),
        Cause::SessionOfAnother => (
            [
                "The session of this client id belongs to another user (see by).",
                "Use another client id, or connect as that user; ternmq ctl clients release CLIENTID gives the session to the next user who comes.",
            ],
            [
                "该客户端 ID 的会话属于其他用户（见“操作者”）。",
                "换一个客户端 ID，或以该用户的身份连接；ternmq ctl clients release CLIENTID 可将会话交给下一个用户。",
            ],
        ),
        Cause::AnonymousOff => stranger::ANONYMOUS_OFF,
        Cause::Gateway => stranger::GATEWAY,
        Cause::LanGuard => stranger::LAN_GUARD,
        Cause::Banned => (
            [
                "The client, user or address is banned.",
                "Remove the ban (Access, Bans) if it was a mistake.",
            ],
            [
                "该客户端、用户或地址在黑名单中。",
                "如属误封，请在“访问控制 - 黑名单”中移除。",
            ],
        ),
        Cause::MemoryShort => (
            [
                "The broker is short of memory, so that new clients have to come later.",
                "See on the node's page what takes it: slow subscribers' queues, mostly. Give the machine or container more, or bound mqtt.max_queue_bytes.",
            ],
            [
                "服务器内存不足，新的客户端需要稍后再来。",
                "请在节点页面查看内存用途（多为慢订阅者的队列）；增加机器或容器的内存，或减小 mqtt.max_queue_bytes。",
            ],
        ),
        Cause::Mountpoint => (
            [
                "The listener puts the client's topics below its own name, and that is empty or has /, + or # in it.",
                "Give the client a client id and user name without these signs, or change the mountpoint of the listener.",
            ],
            [
                "监听器以客户端的名称作为主题前缀，而该名称为空或含有 /、+、#。",
                "请使用不含这些字符的客户端 ID 与用户名，或修改监听器的 mountpoint。",
            ],
        ),
        Cause::Flapping => (
            [
                "The client came and went too often in a short time, so it is banned for a while.",
                "Find out why its connections end (its earlier entries); flapping_detect says how often is too often, and the ban is lifted under Access, Bans.",
            ],
            [
                "客户端在短时间内频繁上下线，因此被暂时禁止。",
                "请查明其连接为何断开（见此前的记录）；flapping_detect 规定次数与时间，可在“访问控制 - 黑名单”中解除。",
            ],
        ),
        Cause::WillNotAllowed => (
            [
                "The client may not publish to the topic of its will.",
                "Choose another will topic; those beginning with $ belong to the broker.",
            ],
            [
                "客户端无权向其遗嘱主题发布消息。",
                "更换遗嘱主题；以 $ 开头的主题归服务器使用。",
            ],
        ),
        Cause::NotAllowed => (
            [
                "The client did what a rule of access denies, and deny_action ends the connection then.",
                "Look for what was denied right before it in this log; allow it, or set deny_action to ignore (Access control, Authorization).",
            ],
            [
                "客户端执行了访问规则拒绝的操作，而 deny_action 设为断开连接。",
                "查看此日志中之前被拒绝的操作；允许它，或把 deny_action 设为 ignore（访问控制，授权）。",
            ],
        ),
        Cause::SessionsMax => (
            [
                "The broker has as many sessions as it may.",
                "Raise mqtt.max_sessions, or let sessions end sooner (mqtt.session_expiry).",
            ],
            [
                "会话数已达上限。",
                "增大 mqtt.max_sessions，或缩短会话过期间隔（mqtt.session_expiry）。",
            ],
        ),
        Cause::AnswerTooLarge => (
            [
                "The client's Maximum Packet Size is smaller than the answer to its CONNECT.",
                "Raise Maximum Packet Size in the client.",
            ],
            [
                "客户端声明的最大报文长度小于 CONNACK。",
                "在客户端增大最大报文长度（Maximum Packet Size）。",
            ],
        ),
        Cause::Malformed(_) => (
            [
                "A packet could not be read.",
                "Look at the detail for the place; update the client's library, or check that nothing else writes to its socket.",
            ],
            [
                "报文格式错误，无法解析。",
                "请看详情中的位置；更新客户端库，或检查是否有其他代码写入同一连接。",
            ],
        ),
        Cause::ProtocolError(_) => (
            [
                "A packet breaks the rules of MQTT.",
                "Look at the detail for the rule; update the client's library.",
            ],
            [
                "报文违反 MQTT 协议。",
                "请看详情中违反的规则；更新客户端库。",
            ],
        ),
        Cause::TopicInvalid(_) => (
            [
                "The topic name is not valid.",
                "Publish to a topic without + and #, not empty and with no more levels than mqtt.max_topic_levels.",
            ],
            [
                "主题名无效。",
                "发布的主题不能含 + 或 #，不能为空，层数不超过 mqtt.max_topic_levels。",
            ],
        ),
        Cause::PacketTooLarge => (
            [
                "The packet is larger than allowed.",
                "Send smaller messages, or raise mqtt.max_packet_size (mqtt.max_connect_size for CONNECT).",
            ],
            [
                "报文超过允许的大小。",
                "发送更小的消息，或增大 mqtt.max_packet_size（CONNECT 为 mqtt.max_connect_size）。",
            ],
        ),
        Cause::PayloadTooLarge => (
            [
                "The payload is larger than allowed.",
                "Send smaller messages, or raise mqtt.max_payload_size.",
            ],
            [
                "消息内容超过允许的大小。",
                "发送更小的消息，或增大 mqtt.max_payload_size。",
            ],
        ),
        Cause::TooMany(_) => (
            [
                "One packet holds more user properties or filters than allowed.",
                "Split it, or raise mqtt.max_user_properties and mqtt.max_user_property_bytes.",
            ],
            [
                "单个报文中的用户属性或过滤器过多。",
                "拆分报文，或增大 mqtt.max_user_properties 和 mqtt.max_user_property_bytes。",
            ],
        ),
        Cause::TopicAlias(_) => (
            [
                "The topic alias is above what the broker announced, or 0.",
                "Let the client obey Topic Alias Maximum of CONNACK, or raise mqtt.max_topic_alias.",
            ],
            [
                "主题别名为 0 或超过服务器声明的上限。",
                "让客户端遵守 CONNACK 中的 Topic Alias Maximum，或增大 mqtt.max_topic_alias。",
            ],
        ),
        Cause::QosTooHigh(_) => (
            [
                "The QoS is higher than the broker allows.",
                "Publish with a lower QoS, or raise mqtt.max_qos_allowed.",
            ],
            [
                "QoS 高于服务器允许的等级。",
                "降低发布的 QoS，或增大 mqtt.max_qos_allowed。",
            ],
        ),
        Cause::RetainOff(_) => (
            [
                "The client sent a retained message, and retained messages are off.",
                "Publish without retain, or switch mqtt.retain_available on.",
            ],
            [
                "客户端发送了保留消息，而保留消息功能已关闭。",
                "发布时不要设置保留，或开启 mqtt.retain_available。",
            ],
        ),
        Cause::ReceiveMaximum => (
            [
                "The client sent more unacknowledged messages than the announced Receive Maximum.",
                "Let the client wait for acknowledgements, or raise mqtt.max_inflight.",
            ],
            [
                "客户端未确认的消息数超过声明的接收最大值。",
                "让客户端等待确认，或增大 mqtt.max_inflight。",
            ],
        ),
        Cause::AwaitingRelMax => (
            [
                "The client has too many QoS 2 messages without PUBREL.",
                "Let the client finish its QoS 2 exchanges, or raise mqtt.max_awaiting_rel.",
            ],
            [
                "客户端有过多 QoS 2 消息未发送 PUBREL。",
                "让客户端完成 QoS 2 流程，或增大 mqtt.max_awaiting_rel。",
            ],
        ),
        Cause::QueueFull => (
            [
                "The client does not keep up and its queue is full.",
                "Let it read faster or subscribe to less, or raise mqtt.max_queue; mqtt.queue_full = \"drop_oldest\" drops messages instead.",
            ],
            [
                "客户端处理过慢，消息队列已满。",
                "加快客户端处理或减少订阅，或增大 mqtt.max_queue；设 mqtt.queue_full = \"drop_oldest\" 则改为丢失最旧的消息。",
            ],
        ),
        Cause::StoreRefused => (
            [
                "The store had no room for what the client sent.",
                "Free disk space, or raise store.max_bytes.",
            ],
            [
                "存储空间不足，无法保存客户端发来的消息。",
                "清理磁盘空间，或增大 store.max_bytes。",
            ],
        ),
        Cause::DelayedMax => (
            [
                "As many delayed messages wait for their time as may.",
                "Raise mqtt.max_delayed, or delete delayed messages that are not needed.",
            ],
            [
                "等待发布的延迟消息已达上限。",
                "增大 mqtt.max_delayed，或删除不需要的延迟消息。",
            ],
        ),
        Cause::PacketStalled => (
            [
                "The client began a large packet and stopped sending while others waited for memory.",
                "Look at its network, or raise mqtt.max_incomplete_bytes.",
            ],
            [
                "客户端发送大报文中途停顿，而其他客户端在等待内存。",
                "检查其网络，或增大 mqtt.max_incomplete_bytes。",
            ],
        ),
        Cause::KeepAlive => (
            [
                "Nothing was heard from the client for one and a half times its Keep Alive.",
                "Check its network and power; let its loop run (loop_start(), loop_forever()), or raise Keep Alive.",
            ],
            [
                "超过 1.5 倍心跳间隔没有收到客户端的任何数据。",
                "检查网络和供电；确保客户端循环在运行（loop_start()、loop_forever()），或增大心跳间隔。",
            ],
        ),
        Cause::TakenOver => (
            [
                "Another connection came with the same client id and took over.",
                "Give each device a client id of its own; two with one id throw each other out for ever.",
            ],
            [
                "另一个连接使用相同的客户端 ID 并接管了会话。",
                "为每台设备设置不同的客户端 ID；相同的 ID 会互相踢下线。",
            ],
        ),
        Cause::Kicked => (
            [
                "The client was kicked through dashboard or API.",
                "Ask who did it (see by); ban the client if it must not come back.",
            ],
            [
                "客户端被管理员通过控制台或 API 踢下线。",
                "询问操作者（见“操作者”）；如不允许其再次连接，请加入黑名单。",
            ],
        ),
        Cause::ListenerStopped => (
            [
                "The client's listener was stopped or changed.",
                "Start the listener again (Settings, Listeners), or let the client use another one.",
            ],
            [
                "该客户端所用的监听器已停止或被修改。",
                "重新启动该监听器（设置 - 监听器），或让客户端改用其他监听器。",
            ],
        ),
        Cause::ShuttingDown => (
            [
                "The broker was shut down.",
                "Nothing to do; clients that reconnect come back when it runs again.",
            ],
            [
                "服务器正在关闭。",
                "无需处理；会自动重连的客户端将在重启后恢复。",
            ],
        ),
        Cause::Fault => (
            [
                "A fault of the broker while handling this client.",
                "Please report it with the lines of the log from this moment.",
            ],
            [
                "服务器处理该客户端时发生内部错误。",
                "请附上此刻的日志反馈给我们。",
            ],
        ),
    };
    words(lang, en, zh)
}
