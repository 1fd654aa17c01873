//! Cause and remedy where TLS does not come about, or somebody speaks it to a port without it, or not to one with it.

use super::Both;

pub(super) const TLS_ON_MQTT: Both = (
    [
        "The client speaks TLS (mqtts://) to a port without TLS.",
        "Switch TLS off in the client (mqtt://), or use a TLS port (8883).",
    ],
    [
        "客户端用 TLS（mqtts://）连接了不加密的端口。",
        "在客户端关闭 TLS（mqtt://），或改用 TLS 端口（8883）。",
    ],
);

pub(super) const TLS_ON_WEB_SOCKET: Both = (
    [
        "The client speaks TLS (wss://) to a WebSocket port without TLS.",
        "Use ws:// instead of wss://, or a TLS port (8084).",
    ],
    [
        "客户端用 TLS（wss://）连接了不加密的 WebSocket 端口。",
        "请用 ws:// 而不是 wss://，或改用 TLS 端口（8084）。",
    ],
);

pub(super) const MQTT_ON_TLS: Both = (
    [
        "The client speaks plain MQTT (mqtt://) to a TLS port.",
        "Switch TLS on in the client (mqtts://) and give it the certificate (GET /api/v5/certificate), or use the plain port (1883).",
    ],
    [
        "客户端用普通 MQTT（mqtt://）连接了 TLS 端口。",
        "在客户端开启 TLS（mqtts://）并配置证书（GET /api/v5/certificate），或改用不加密的端口（1883）。",
    ],
);

pub(super) const HTTP_ON_TLS: Both = (
    [
        "A browser or HTTP program came to a TLS port without TLS.",
        "Open the dashboard's port in the browser (18083 by default); MQTT clients in a page use wss://host:8084/mqtt.",
    ],
    [
        "浏览器或 HTTP 程序未用 TLS 连接了 TLS 端口。",
        "浏览器请打开控制台端口（默认 18083）；网页中的 MQTT 客户端使用 wss://主机:8084/mqtt。",
    ],
);

pub(super) const TLS_TIMEOUT: Both = (
    [
        "The connection was opened but its TLS handshake was not done in time.",
        "Check that the client uses TLS on this port; on slow networks raise ssl_options.handshake_timeout of the listener.",
    ],
    [
        "连接已建立，但没有按时完成 TLS 握手。",
        "检查客户端是否在此端口使用 TLS；网络很慢时增大该监听器的 ssl_options.handshake_timeout。",
    ],
);

pub(super) const TLS_CLOSED: Both = (
    [
        "The client closed the connection during or right after the TLS handshake, without a CONNECT.",
        "Mostly it does not trust the certificate: give it the broker's authority (GET /api/v5/certificate) and connect to a name or address that the certificate has.",
    ],
    [
        "客户端在 TLS 握手时或刚完成后就关闭了连接，没有发来 CONNECT。",
        "多半是它不信任证书：请给它服务器的 CA 证书（GET /api/v5/certificate），并用证书包含的主机名或地址连接。",
    ],
);

pub(super) const TLS_NOT_TRUSTED: Both = (
    [
        "The client does not trust the broker's certificate.",
        "Give the client the broker's authority as its CA file (GET /api/v5/certificate), and connect to a name or address that the certificate has.",
    ],
    [
        "客户端不信任服务器的证书。",
        "请把服务器的 CA 证书（GET /api/v5/certificate）设为客户端的 CA 文件，并用证书包含的主机名或地址连接。",
    ],
);

pub(super) const TLS_VERSION: Both = (
    [
        "The client and the broker have no version of TLS or cipher in common.",
        "Let the client use TLS 1.2 or 1.3 with ECDHE and AES-GCM or ChaCha20; ssl_options.versions says what the listener speaks.",
    ],
    [
        "客户端与服务器没有共同的 TLS 版本或加密套件。",
        "请让客户端使用 TLS 1.2 或 1.3，以及 ECDHE 与 AES-GCM 或 ChaCha20；监听器允许的版本见 ssl_options.versions。",
    ],
);

pub(super) const TLS_NO_CERTIFICATE: Both = (
    [
        "The client showed no certificate, and this listener demands one.",
        "Give the client its certificate and key (--cert, --key), or set ssl_options.fail_if_no_peer_cert = false.",
    ],
    [
        "客户端没有出示证书，而此监听器要求证书。",
        "请为客户端配置证书和私钥（--cert、--key），或设置 ssl_options.fail_if_no_peer_cert = false。",
    ],
);

pub(super) const TLS_CERTIFICATE: Both = (
    [
        "The client's certificate is not accepted.",
        "Look at the detail; the certificate has to be valid, not revoked, and of an authority in ssl_options.cacertfile.",
    ],
    [
        "客户端的证书不被接受。",
        "请看详情；证书必须在有效期内、未被吊销，并由 ssl_options.cacertfile 中的 CA 签发。",
    ],
);

pub(super) const TLS_HANDSHAKE: Both = (
    [
        "The TLS handshake failed.",
        "Look at the detail, and which program connects from this address; openssl s_client -connect HOST:PORT shows the same handshake.",
    ],
    [
        "TLS 握手失败。",
        "请看详情，以及该地址上是哪个程序在连接；可用 openssl s_client -connect 主机:端口 检查握手。",
    ],
);

pub(super) const TLS_RECORD: Both = (
    [
        "What came over the TLS connection is damaged.",
        "Look at the detail; something between the client and the broker may change bytes, or the client's TLS library has a fault.",
    ],
    [
        "经 TLS 连接收到的数据已损坏。",
        "请看详情；可能是中间设备改动了数据，或客户端的 TLS 库有缺陷。",
    ],
);
