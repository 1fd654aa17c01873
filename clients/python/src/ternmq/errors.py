"""Why there is no connection, and what to do about it, in English or Chinese.

The language is Chinese under a Chinese locale (LC_ALL, LC_MESSAGES, LANG; the system's on Windows).
"""

from __future__ import annotations

import errno
import locale
import os
import socket
import ssl
import sys
from typing import Dict, Tuple


class ConnectError(ConnectionError):
    """No connection to the broker: `cause` says why, `remedy` what to do, `code` what the broker
    answered (a reason code of MQTT 5, or None if it answered nothing)."""

    def __init__(self, cause: str, remedy: str, code: int | None = None) -> None:
        super().__init__(f"{cause}{'' if chinese() else ' '}{remedy}")
        self.cause = cause
        self.remedy = remedy
        self.code = code


class SubscribeError(ConnectError):
    """The broker is there and does not grant a subscription."""


def chinese() -> bool:
    """Whether people here read Chinese."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return value.lower().startswith("zh")
    if sys.platform == "win32":
        return (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese"))
    return False


def say(*texts: str, **values: object) -> str:
    """The text of the reader's language, of the English and the Chinese, with its values."""
    english, chinese_text = texts
    return (chinese_text if chinese() else english).format(**values)


# What MQTT 3.1.1 answers, as version 5 numbers it.
OLD_CODES = {1: 132, 2: 133, 3: 136, 4: 134, 5: 135}

_Pair = Tuple[str, str]

# Reason code -> (cause, remedy), each in English and Chinese.
REFUSALS: Dict[int, Tuple[_Pair, _Pair]] = {
    132: (
        ("it does not speak this version of MQTT.", "服务器不支持此 MQTT 版本。"),
        ('Pass protocol="3.1.1".', '请传入 protocol="3.1.1"。'),
    ),
    133: (
        ("it does not accept the id {client_id!r}.", "服务器不接受客户端 ID {client_id!r}。"),
        ("Pass another client_id, or none.", "请换一个 client_id，或不指定。"),
    ),
    134: (
        ("user name or password is wrong.", "用户名或密码错误。"),
        ("Check username= and password=.", "请检查 username= 与 password=。"),
    ),
    135: (
        ("this client may not connect.", "不允许此客户端连接。"),
        (
            "Pass username= and password=, or allow clients without them on the broker; its "
            "connection log says why.",
            "请传入 username= 与 password=，或在服务器允许匿名连接；原因见服务器的连接记录。",
        ),
    ),
    136: (
        ("it is not available now.", "服务器暂不可用。"),
        ("Try again later.", "请稍后再试。"),
    ),
    137: (
        ("it is busy.", "服务器繁忙。"),
        ("Try again later.", "请稍后再试。"),
    ),
    138: (
        ("this client is banned.", "此客户端在黑名单中。"),
        ("Lift the ban on the broker.", "请在服务器解除。"),
    ),
    151: (
        ("a limit of the broker is reached.", "已达到服务器的上限。"),
        ("Its connection log names the limit.", "具体上限见服务器的连接记录。"),
    ),
}
OTHER_REFUSAL: Tuple[_Pair, _Pair] = (
    ("reason code {code} ({name}).", "原因码 {code}（{name}）。"),
    ("The broker's connection log says more.", "详情见服务器的连接记录。"),
)


def refused(place: str, code: int, name: str, client_id: str) -> ConnectError:
    """The broker answered, and not with yes."""
    cause, remedy = REFUSALS.get(code, OTHER_REFUSAL)
    values: dict[str, object] = {"code": code, "name": name, "client_id": client_id}
    start = say("{place} refused the connection: ", "{place} 拒绝连接：", place=place)
    return ConnectError(start + say(*cause, **values), say(*remedy, **values), code)


def silent(place: str, secs: float) -> ConnectError:
    """Something accepted the connection and says nothing."""
    return ConnectError(
        say("{place} did not answer within {secs:g} s.", "{place} 在 {secs:g} 秒内没有应答。",
            place=place, secs=secs),
        say("Is this the port of MQTT (1883), and not one of a web page or of TLS?",
            "请确认这是 MQTT 端口（1883），而不是网页或 TLS 端口。"),
    )


def unreachable(place: str, why: BaseException) -> ConnectError:
    """The system or TLS says why there is no connection."""
    if isinstance(why, ssl.SSLError):
        if isinstance(why, ssl.SSLCertVerificationError):
            remedy = say("Pass tls= the file of the authority that signed it, and the host by the "
                         "name in the certificate.",
                         "请用 tls= 传入签发它的 CA 文件，并使用证书中的主机名。")
        else:
            remedy = say("Is this a TLS port (8883)? Without TLS leave tls= away.",
                         "请确认这是 TLS 端口（8883）；不用 TLS 时不要传 tls=。")
        cause = say("{place}: TLS failed: {why}.", "{place}：TLS 失败：{why}。", place=place,
                    why=getattr(why, "verify_message", "") or getattr(why, "reason", "") or why)
    elif isinstance(why, socket.gaierror):
        cause = say("{place}: no such host name.", "{place}：找不到该主机名。", place=place)
        remedy = say("Check its spelling, or give the broker's IP address.",
                     "请检查拼写，或直接使用服务器的 IP 地址。")
    elif isinstance(why, ConnectionRefusedError):
        cause = say("Nothing listens at {place}.", "{place} 没有程序在监听。", place=place)
        remedy = say("Start the broker, or pass its address: host and port, or the environment "
                     "variables TERNMQ_HOST and TERNMQ_PORT.",
                     "请启动服务器，或指定它的地址：参数 host 与 port（教程中为 central_ip），"
                     "或环境变量 TERNMQ_HOST 与 TERNMQ_PORT。")
    elif isinstance(why, (socket.timeout, TimeoutError)) or getattr(why, "errno", None) in _NO_WAY:
        cause = say("{place} cannot be reached.", "无法到达 {place}。", place=place)
        remedy = say("Is the address right, is the machine on, does a firewall let the port "
                     "through?", "请检查地址是否正确、对方是否开机、防火墙是否放行该端口。")
    else:
        cause = say("No connection to {place}: {why}.", "无法连接 {place}：{why}。", place=place,
                    why=why)
        remedy = say("Check address and network.", "请检查地址与网络。")
    return ConnectError(cause, remedy)


_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN}


def not_granted(place: str, topic: str, code: int) -> SubscribeError:
    """A SUBACK with a failure."""
    start = say("{place} does not grant a subscription to {topic!r}: ",
                "{place} 不允许订阅 {topic!r}：", place=place, topic=topic)
    if code == 135:
        cause = say("this client may not.", "此客户端没有权限。")
        remedy = say("Change the broker's access rules, or sign in as another user.",
                     "请修改服务器的访问规则，或换一个用户。")
    elif code == 143:
        cause = say("it is no valid topic filter.", "主题过滤器无效。")
        remedy = say("'+' stands for one whole level, '#' for the rest and comes last.",
                     "+ 代表完整的一层，# 代表其余各层且只能在最后。")
    else:
        cause = say("reason code {code}.", "原因码 {code}。", code=code)
        remedy = say("The broker's log says more.", "详情见服务器日志。")
    return SubscribeError(start + cause, remedy, code)
