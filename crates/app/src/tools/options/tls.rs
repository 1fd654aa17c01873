//! Options of TLS, the same for all tools. What they add up to is read and checked in the settings.

use client::TlsVersion;

use super::{ALL, MANY, Row, Take};
use crate::tools::said::{Said, said};
use crate::tools::settings::{Settings, Value};

const fn value(
    names: &'static [&'static str],
    name: &'static str,
    take: fn(&mut Settings, Value<'_>) -> Result<(), Said>,
    en: &'static str,
    zh: &'static str,
) -> Row {
    row(names, Take::Value(name, take), en, zh)
}

const fn row(
    names: &'static [&'static str],
    take: Take,
    en: &'static str,
    zh: &'static str,
) -> Row {
    Row {
        names,
        tools: ALL | MANY,
        take,
        en,
        zh,
    }
}

pub(super) const ROWS: &[Row] = &[
    value(
        &["--cafile", "--ca"],
        "FILE",
        |s, v| {
            s.tls.ca_file = Some(v.path());
            Ok(())
        },
        "TLS, and trust those whose certificates this file has (PEM); the broker's own will do",
        "使用 TLS，信任该文件中的证书（PEM）；也可以是服务器自己的证书",
    ),
    value(
        &["--capath"],
        "FOLDER",
        |s, v| {
            s.tls.ca_path = Some(v.path());
            Ok(())
        },
        "TLS, and trust those of all files of this folder",
        "使用 TLS，信任该目录下所有文件中的证书",
    ),
    row(
        &["--tls-use-os-certs"],
        Take::Flag(|s| s.tls.os_certs = true),
        "TLS, and trust whom the system trusts",
        "使用 TLS，信任系统所信任的证书",
    ),
    value(
        &["--cert"],
        "FILE",
        |s, v| {
            s.tls.cert = Some(v.path());
            Ok(())
        },
        "Our own certificate (PEM), for brokers that want one; with --key",
        "客户端证书（PEM），供要求证书的服务器使用；须同时给出 --key",
    ),
    value(
        &["--key"],
        "FILE",
        |s, v| {
            s.tls.key = Some(v.path());
            Ok(())
        },
        "Its private key (PEM, not encrypted)",
        "其私钥（PEM，未加密）",
    ),
    value(
        &["--keyform"],
        "pem",
        key_form,
        "Form of the key",
        "私钥格式",
    ),
    row(
        &["--insecure"],
        Take::Flag(|s| s.tls.any_name = true),
        "The broker's certificate may be for another name: whoever has one that is trusted can listen",
        "不核对服务器证书上的主机名：任何持有受信任证书者都可窃听",
    ),
    value(
        &["--tls-version"],
        "tlsv1.3|tlsv1.2",
        tls_version,
        "Nothing older than this version of TLS [default: tlsv1.2]",
        "TLS 最低版本 [默认：tlsv1.2]",
    ),
    value(
        &["--ciphers"],
        "LIST",
        |s, v| {
            s.tls.ciphers = Some(v.owned()?);
            Ok(())
        },
        "Ciphers of TLS 1.2 by their OpenSSL names, with colons between; !NAME takes one away",
        "TLS 1.2 的密码套件（OpenSSL 名称），以冒号分隔；!名称 表示排除",
    ),
    value(
        &["--tls-alpn", "--alpn"],
        "PROTOCOL",
        |s, v| {
            s.tls.alpn = Some(v.owned()?);
            Ok(())
        },
        "Protocol to ask for with TLS (ALPN)",
        "TLS 协商的应用协议（ALPN）",
    ),
    refused(&["--psk"], no_psk),
    refused(&["--psk-identity"], no_psk),
    refused(&["--tls-engine"], no_engine),
    refused(&["--tls-engine-kpass-sha1"], no_engine),
];

const fn refused(names: &'static [&'static str], why: fn() -> Said) -> Row {
    row(names, Take::Refused(why), "", "")
}

fn no_psk() -> Said {
    said(
        "keys that both sides know beforehand are not supported; use certificates: --cafile, --cert, --key",
        "不支持预共享密钥；请使用证书：--cafile、--cert、--key",
    )
}

fn no_engine() -> Said {
    said(
        "keys in a device are not supported; give the key as a file: --key",
        "不支持硬件密钥引擎；请以文件提供私钥：--key",
    )
}

fn key_form(_: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    match value.text()? {
        "pem" => Ok(()),
        "engine" => Err(no_engine()),
        _ => Err(said("pem is the only one", "只能是 pem")),
    }
}

fn tls_version(settings: &mut Settings, value: Value<'_>) -> Result<(), Said> {
    settings.tls.version = Some(match value.text()? {
        "tlsv1.3" => TlsVersion::V1_3,
        "tlsv1.2" => TlsVersion::V1_2,
        "tlsv1.1" | "tlsv1" => {
            return Err(said(
                "that version is broken, and nobody should speak it; tlsv1.2 or tlsv1.3",
                "该版本已不安全；请用 tlsv1.2 或 tlsv1.3",
            ));
        }
        _ => return Err(said("tlsv1.2 or tlsv1.3", "应为 tlsv1.2 或 tlsv1.3")),
    });
    Ok(())
}
