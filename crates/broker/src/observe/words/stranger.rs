//! Cause and remedy where those are turned away of whom nobody knows who they are, for what they bring along or for
//! being so many.

use super::Both;

pub(super) const CLOSED_EARLY: Both = (
    [
        "The connection was closed before a CONNECT came.",
        "Mostly a port scan or a health check; if it is your client, look at its own log.",
    ],
    [
        "在发来 CONNECT 之前连接就关闭了。",
        "多为端口扫描或健康检查；如果是您的客户端，请查看其日志。",
    ],
);

pub(super) const PENDING_MAX: Both = (
    [
        "Too many connections have not yet sent their CONNECT.",
        "Look who opens so many; raise mqtt.max_pending if they are yours.",
    ],
    [
        "尚未发送 CONNECT 的连接过多。",
        "查看是谁打开了这么多连接；如果是您的客户端，增大 mqtt.max_pending。",
    ],
);

pub(super) const PENDING_PER_ADDRESS_MAX: Both = (
    [
        "Too many connections from this address have not yet sent their CONNECT.",
        "If your clients share this address (NAT, load generator), raise mqtt.max_pending_per_address; behind a load balancer, let it tell the clients' own addresses (proxy_protocol, forwarded_for).",
    ],
    [
        "来自该地址、尚未发送 CONNECT 的连接过多。",
        "如果您的客户端共用该地址（NAT、压测工具），增大 mqtt.max_pending_per_address；前面有负载均衡时，让它告知客户端的真实地址（proxy_protocol、forwarded_for）。",
    ],
);

pub(super) const PENDING_BYTES_MAX: Both = (
    [
        "Too many bytes came from connections without a whole CONNECT.",
        "Look who sends so much; raise mqtt.max_pending_bytes if it is yours.",
    ],
    [
        "尚未完成 CONNECT 的连接发来的数据过多。",
        "查看是谁发送；如果是您的客户端，增大 mqtt.max_pending_bytes。",
    ],
);

pub(super) const ANONYMOUS_OFF: Both = (
    [
        "The client came without user name and password, and anonymous access is off.",
        "Enter a user name and password in the client, or allow anonymous access (mqtt.allow_anonymous).",
    ],
    [
        "客户端没有提供用户名和密码，而匿名访问已关闭。",
        "在客户端填写用户名和密码，或允许匿名访问（mqtt.allow_anonymous）。",
    ],
);

pub(super) const LAN_GUARD: Both = (
    [
        "The client came from a public address without valid credentials.",
        "If the address is yours (campus network, VPN): ternmq ctl trust ADDRESS, or add it to lan_guard.trusted. If it is the listener's reverse proxy: forwarded_for shows the client's own.",
    ],
    [
        "客户端来自公网地址，且没有有效的用户名和密码。",
        "如果该地址属于您（校园网、VPN）：运行 ternmq ctl trust 地址，或把它加入 lan_guard.trusted。如果它是监听器前的反向代理：开启 forwarded_for 可显示客户端自己的地址。",
    ],
);

pub(super) const GATEWAY: Both = (
    [
        "The client came without valid credentials from the address of this container's gateway, which all may seem to have, wherever they come from.",
        "Give the client a user name and password. If only your own network reaches the published ports: lan_guard.gateway = \"trust\" (TERNMQ__LAN_GUARD__GATEWAY=trust). With the host's network (--network host) clients show their own addresses.",
    ],
    [
        "客户端没有有效的用户名和密码，且来自本容器网关的地址；任何来源经端口转发后都可能显示为该地址。",
        "为客户端设置用户名和密码。如果只有您自己的网络能访问所发布的端口：设置 lan_guard.gateway = \"trust\"（TERNMQ__LAN_GUARD__GATEWAY=trust）。使用宿主网络（--network host）时可看到客户端的真实地址。",
    ],
);
