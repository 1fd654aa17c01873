//! A service that speaks HTTP/1.1: answers as a test wants, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }
}

/// What is answered.
pub(crate) enum Said {
    /// A status, a content type and a body.
    Reply(u16, &'static str, String),
    /// Nothing, ever.
    Nothing,
    /// These bytes, and then the end.
    Bytes(&'static str),
}

impl Said {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Reply(200, "application/json", value.to_string())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Reply(status, "text/plain", String::new())
    }
}

type Answer = Arc<dyn Fn(&Asked) -> Said + Send + Sync>;

struct Room {
    is_over: AtomicBool,
    asked: Mutex<Vec<Asked>>,
    conns: Mutex<Vec<TcpStream>>,
}

pub(crate) struct Service {
    address: SocketAddr,
    room: Arc<Room>,
    accepting: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), answer)
    }

    /// Where one was before, perhaps.
    pub(crate) fn start_on(
        address: SocketAddr,
        answer: impl Fn(&Asked) -> Said + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().unwrap();
        let room = Arc::new(Room {
            is_over: AtomicBool::new(false),
            asked: Mutex::default(),
            conns: Mutex::default(),
        });
        let (inside, answer): (_, Answer) = (room.clone(), Arc::new(answer));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut conns = inside.conns.lock().unwrap();
                if inside.is_over.load(Ordering::Relaxed) {
                    return;
                }
                conns.push(stream.try_clone().unwrap());
                let (inside, answer) = (inside.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &inside, &answer));
            }
        });
        Self {
            address,
            room,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// All that it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.room.asked.lock().unwrap().clone()
    }

    /// Connections that it was asked over.
    pub(crate) fn connections(&self) -> usize {
        self.room.conns.lock().unwrap().len()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let conns = self.room.conns.lock().unwrap();
        self.room.is_over.store(true, Ordering::Relaxed);
        for conn in &*conns {
            let _ = conn.shutdown(Shutdown::Both);
        }
        drop(conns);
        // Whoever accepts learns of the end.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Answers on one connection until the other side ends it. What goes wrong is for the test to notice.
fn serve(stream: TcpStream, room: &Room, answer: &Answer) {
    let Ok(mut output) = stream.try_clone() else {
        return;
    };
    let mut input = BufReader::new(stream);
    while let Some(asked) = read(&mut input) {
        room.asked.lock().unwrap().push(asked.clone());
        let text = match answer(&asked) {
            Said::Nothing => continue,
            Said::Bytes(text) => {
                let _ = output.write_all(text.as_bytes());
                let _ = output.shutdown(Shutdown::Both);
                return;
            }
            Said::Reply(204, _, _) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Said::Reply(status, content_type, body) => format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        if output.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(input: &mut impl std::io::BufRead) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        let read = input.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        target,
        headers,
        body,
    })
}
