//! SOCKS5 (RFC 1928, RFC 1929): the name of the broker is told to the proxy, which resolves it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::error::Error;

/// A SOCKS5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    /// User name and password, each at most 255 bytes.
    pub credentials: Option<(String, String)>,
}

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const CREDENTIALS: u8 = 2;

impl Proxy {
    /// Asks for a connection; when it returns, the stream leads to the broker.
    pub(crate) fn ask(&self, mut stream: &TcpStream, name: &str, port: u16) -> Result<(), Error> {
        let broken = |_| Error::Proxy("it closed the connection or does not speak SOCKS5");
        let offer: &[u8] = match self.credentials {
            Some(_) => &[VERSION, 2, NO_CREDENTIALS, CREDENTIALS],
            None => &[VERSION, 1, NO_CREDENTIALS],
        };
        stream.write_all(offer).map_err(broken)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).map_err(broken)?;
        if answer[0] != VERSION {
            return Err(Error::Proxy("it does not speak SOCKS5"));
        }
        if !offer[2..].contains(&answer[1]) {
            return Err(Error::Proxy("it wants another way to sign in"));
        }
        if let Some((user, password)) = &self.credentials
            && answer[1] == CREDENTIALS
        {
            let mut request = vec![1];
            put_short(&mut request, user)?;
            put_short(&mut request, password)?;
            stream.write_all(&request).map_err(broken)?;
            stream.read_exact(&mut answer).map_err(broken)?;
            if answer[1] != 0 {
                return Err(Error::Proxy("it does not know this user name and password"));
            }
        }
        // CONNECT to a name.
        let mut request = vec![VERSION, 1, 0, 3];
        put_short(&mut request, name)?;
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).map_err(broken)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).map_err(broken)?;
        if let Some(cause) = refusal(head[1]) {
            return Err(Error::Proxy(cause));
        }
        // The address it used, which nobody needs.
        let rest = match head[3] {
            1 => 4,
            4 => 16,
            3 => {
                let mut len = [0];
                stream.read_exact(&mut len).map_err(broken)?;
                usize::from(len[0])
            }
            _ => return Err(Error::Proxy("it does not speak SOCKS5")),
        };
        let mut bound = [0; 257];
        stream.read_exact(&mut bound[..rest + 2]).map_err(broken)
    }
}

fn put_short(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let len = u8::try_from(text.len()).map_err(|_| Error::Proxy("a name has over 255 bytes"))?;
    out.push(len);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn refusal(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => return None,
        2 => "its rules forbid the connection",
        3 => "the network of the broker cannot be reached from it",
        4 => "the host of the broker cannot be reached from it",
        5 => "the broker refused the connection",
        6 => "the broker did not answer it",
        7 | 8 => "it cannot do what was asked",
        _ => "it failed",
    })
}
