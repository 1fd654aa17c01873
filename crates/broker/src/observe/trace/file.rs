//! The file of one trace: a first line that says what was ordered, then a line for each event.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{BYTES_MAX, Event, LineForm, Order, Payload, PayloadForm, Target};

const BEGIN: &str = "trace_";
const END: &str = ".log";
const FIRST: &str = "# trace 1";

/// A trace's file.
pub(super) struct Book {
    path: PathBuf,
    /// Open while the trace may be written to.
    file: Option<File>,
    bytes: u64,
}

impl Book {
    /// Makes the file with its first line.
    ///
    /// # Errors
    /// If the directory or the file cannot be made; a file that is there already is left alone.
    pub(super) fn begin(dir: &Path, order: &Order) -> io::Result<Self> {
        make_private(dir)?;
        let path = dir.join(format!("{BEGIN}{}{END}", order.name));
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let first = first_line(order);
        file.write_all(first.as_bytes())?;
        Ok(Self {
            path,
            file: Some(file),
            bytes: first.len() as u64,
        })
    }

    /// Files of an earlier process, with what was ordered.
    pub(super) fn found(dir: &Path) -> Vec<(Order, Self)> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.filter_map(|entry| find(&entry.path())).collect();
        found.sort_by_key(|(order, _)| order.start_at);
        found
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn delete(&mut self) -> io::Result<()> {
        // Windows deletes no file that is open.
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// False if the trace has to end: its file is full, or cannot be written.
    pub(super) fn write(&mut self, order: &Order, event: &Event) -> bool {
        let line = line(order, event);
        self.put(&line)
    }

    /// Says that events had no room.
    pub(super) fn note_missed(&mut self, order: &Order, now: u64, missed: u64) -> bool {
        let event = Event {
            at: now,
            client_id: "".into(),
            peer: None,
            text: format!("MISSED events={missed}: more happened than could be written"),
            payload: None,
            only: None,
        };
        self.write(order, &event)
    }

    fn put(&mut self, line: &str) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        if self.bytes + line.len() as u64 > BYTES_MAX {
            let _ = file.write_all(b"# the trace is full and ends here\n");
            self.file = None;
            return false;
        }
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!("a trace cannot be written and ends: {error}");
            self.file = None;
            return false;
        }
        self.bytes += line.len() as u64;
        true
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Bytes of a file from a place on.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(path: &Path, from: u64, max: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn find(path: &Path) -> Option<(Order, Book)> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let mut first = String::new();
    // As long as a client id may be, each byte of it written as three.
    BufReader::new(file.take(256 * 1024))
        .read_line(&mut first)
        .ok()?;
    let order = read_first_line(name, first.trim_end())?;
    let path = path.to_owned();
    let file = None;
    Some((order, Book { path, file, bytes }))
}

fn first_line(order: &Order) -> String {
    let (kind, value) = match &order.target {
        Target::Client(id) => ("clientid", id.clone()),
        Target::Topic(filter) => ("topic", filter.clone()),
        Target::Address(ip) => ("ip_address", ip.to_string()),
    };
    let payload = match order.payload {
        PayloadForm::Text => "text",
        PayloadForm::Hex => "hex",
        PayloadForm::Hidden => "hidden",
    };
    let lines = match order.lines {
        LineForm::Text => "text",
        LineForm::Json => "json",
    };
    format!(
        "{FIRST} start={} end={} payload={payload} lines={lines} {kind}={}\n",
        order.start_at,
        order.end_at,
        escaped(&value)
    )
}

fn read_first_line(name: &str, line: &str) -> Option<Order> {
    let rest = line.strip_prefix(FIRST)?.strip_prefix(' ')?;
    let mut words = rest.splitn(5, ' ').map(|word| word.split_once('='));
    let mut word = |name: &str| {
        let (found, value) = words.next()??;
        (found == name).then_some(value)
    };
    let start_at = word("start")?.parse().ok()?;
    let end_at = word("end")?.parse().ok()?;
    let payload = match word("payload")? {
        "text" => PayloadForm::Text,
        "hex" => PayloadForm::Hex,
        "hidden" => PayloadForm::Hidden,
        _ => return None,
    };
    let lines = match word("lines")? {
        "text" => LineForm::Text,
        "json" => LineForm::Json,
        _ => return None,
    };
    let (kind, value) = words.next()??;
    let value = unescaped(value)?;
    let target = match kind {
        "clientid" => Target::Client(value),
        "topic" => Target::Topic(value),
        "ip_address" => Target::Address(value.parse().ok()?),
        _ => return None,
    };
    Some(Order {
        name: name.to_owned(),
        target,
        payload,
        lines,
        start_at,
        end_at,
    })
}

/// On one line: what ends or begins something else is written as `%` and two digits.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn line(order: &Order, event: &Event) -> String {
    let payload = event
        .payload
        .as_ref()
        .map(|payload| (payload.size, shown(payload, order.payload)));
    let peer = event.peer.map(|peer| peer.to_string()).unwrap_or_default();
    match order.lines {
        LineForm::Text => {
            let mut line = format!(
                "{} [{}@{peer}] {}",
                event.at,
                escaped(&event.client_id),
                event.text
            );
            if let Some((size, payload)) = payload {
                let _ = write!(line, " payload({size})={payload}");
            }
            line.push('\n');
            line
        }
        LineForm::Json => {
            let mut line = format!(
                "{{\"at\":{},\"clientid\":{},\"peer\":{},\"event\":{}",
                event.at,
                quoted(&event.client_id),
                quoted(&peer),
                quoted(&event.text)
            );
            if let Some((size, payload)) = payload {
                let _ = write!(
                    line,
                    ",\"payload_size\":{size},\"payload\":{}",
                    quoted(&payload)
                );
            }
            line.push_str("}\n");
            line
        }
    }
}

fn shown(payload: &Payload, form: PayloadForm) -> String {
    let more = if payload.begin.len() < payload.size {
        "..."
    } else {
        ""
    };
    match form {
        PayloadForm::Hidden => "******".to_owned(),
        PayloadForm::Text => escaped(&String::from_utf8_lossy(&payload.begin)) + more,
        PayloadForm::Hex => {
            let mut text = String::with_capacity(payload.begin.len() * 2);
            for byte in &payload.begin {
                let _ = write!(text, "{byte:02X}");
            }
            text + more
        }
    }
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
