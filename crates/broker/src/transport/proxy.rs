//! The header with which a proxy tells where a connection really comes from: PROXY protocol, versions
//! 1 (a line of text) and 2 (binary). It stands before everything else, TLS too.

use std::net::{IpAddr, SocketAddr};

/// The longest header that is taken: a line has 107 bytes at most, a binary one this with what proxies
/// add (names, certificates).
pub const HEADER_BYTES_MAX: usize = 4 * 1024;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE_BYTES_MAX: usize = 107;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length.
    pub consumed: usize,
    /// Where the client is; `None` if the proxy speaks for itself, as health checks do.
    pub source: Option<SocketAddr>,
}

/// Reads the header at the start of a connection; `None` if more bytes are needed.
///
/// # Errors
/// In words, if it is none.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, &'static str> {
    let begins = |with: &[u8]| {
        let n = bytes.len().min(with.len());
        bytes[..n] == with[..n]
    };
    if begins(SIGNATURE) {
        binary(bytes)
    } else if begins(b"PROXY ") {
        line(bytes)
    } else {
        Err("the connection does not begin with a PROXY header")
    }
}

fn line(bytes: &[u8]) -> Result<Option<Header>, &'static str> {
    const WRONG: &str = "the PROXY line is wrong";
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX {
            Ok(None)
        } else {
            Err(WRONG)
        };
    };
    if end + 2 > LINE_BYTES_MAX {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| WRONG)?;
    let mut words = text.split(' ').skip(1);
    let source = match words.next() {
        Some("UNKNOWN") => None,
        Some(family @ ("TCP4" | "TCP6")) => {
            let words: Vec<&str> = words.collect();
            let [source, _, port, _] = words[..] else {
                return Err(WRONG);
            };
            let ip: IpAddr = source.parse().map_err(|_| WRONG)?;
            if ip.is_ipv4() != (family == "TCP4") {
                return Err(WRONG);
            }
            Some(SocketAddr::new(ip, port.parse().map_err(|_| WRONG)?))
        }
        _ => return Err(WRONG),
    };
    Ok(Some(Header {
        consumed: end + 2,
        source,
    }))
}

fn binary(bytes: &[u8]) -> Result<Option<Header>, &'static str> {
    const WRONG: &str = "the PROXY header is wrong";
    let Some((head, rest)) = bytes.split_at_checked(SIGNATURE.len() + 4) else {
        return Ok(None);
    };
    let (what, family) = (head[SIGNATURE.len()], head[SIGNATURE.len() + 1]);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if what >> 4 != 2 || head.len() + length > HEADER_BYTES_MAX {
        return Err(WRONG);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let port = |at: usize| {
        body.get(at..at + 2)
            .map(|p| u16::from_be_bytes([p[0], p[1]]))
    };
    let source = match (what & 0x0f, family) {
        // The proxy itself, or a family that has no address here.
        (0, _) | (1, 0) => None,
        (1, 0x11) => {
            let ip: Option<[u8; 4]> = body.get(..4).and_then(|ip| ip.try_into().ok());
            Some((IpAddr::from(ip.ok_or(WRONG)?), port(8).ok_or(WRONG)?).into())
        }
        (1, 0x21) => {
            let ip: Option<[u8; 16]> = body.get(..16).and_then(|ip| ip.try_into().ok());
            Some((IpAddr::from(ip.ok_or(WRONG)?), port(32).ok_or(WRONG)?).into())
        }
        _ => return Err(WRONG),
    };
    Ok(Some(Header {
        consumed: head.len() + length,
        source,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(what: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[what, family], &length, body].concat()
    }

    #[test]
    fn both_versions() {
        let four = [&[203, 0, 113, 9, 10, 0, 0, 1][..], &[0x30, 0x39, 7, 91]].concat();
        let mut six = vec![0; 36];
        six[0..2].copy_from_slice(&[0x20, 0x01]);
        six[32..34].copy_from_slice(&[0x30, 0x39]);
        let more = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
        let table = [
            (
                b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 1883\r\n".to_vec(),
                Some("203.0.113.9:12345"),
            ),
            (
                b"PROXY TCP6 2001:: ::1 12345 1883\r\n".to_vec(),
                Some("[2001::]:12345"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("203.0.113.9:12345")),
            (v2(0x21, 0x11, &more), Some("203.0.113.9:12345")),
            (v2(0x21, 0x21, &six), Some("[2001::]:12345")),
            (v2(0x20, 0, &[]), None),
        ];
        for (bytes, due) in table {
            let source = due.map(|text| text.parse().unwrap());
            let consumed = bytes.len();
            let with_more = [&bytes[..], &[0x10, 0]].concat();
            let found = header(&with_more);
            assert_eq!(found, Ok(Some(Header { consumed, source })));
            for at in 0..consumed {
                assert_eq!(header(&bytes[..at]), Ok(None), "{at}");
            }
        }
    }

    #[test]
    fn what_is_none() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 120]].concat();
        let none: [&[u8]; 9] = [
            &[0x10, 12],
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n",
            &long,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11][..3]),
            &v2(0x21, 0x11, &vec![0; 9_000]),
        ];
        for bytes in none {
            assert!(header(bytes).is_err(), "{bytes:?}");
        }
    }
}
