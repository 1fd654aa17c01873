//! Where received messages go: standard output, a file, or a folder with a file for each.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use client::Message;

use super::format::{Fault, Format};
use super::settings::{Into, Settings};
use crate::text::Text;

pub(super) struct Output<'a> {
    settings: &'a Settings,
    text: Text,
    sink: Sink,
    /// One message as it is printed.
    bytes: Vec<u8>,
}

enum Sink {
    Stdout,
    File(File),
    /// And the number of the last file.
    Folder(PathBuf, u64),
}

/// Why nothing can be written any more.
pub(super) enum Trouble {
    /// As in `ternmq sub ... | head -1`.
    NobodyReads,
    Failed(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::Failed(error)
        }
    }
}

/// Prints, and does not keep it back.
pub(super) fn print(bytes: &[u8]) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

impl<'a> Output<'a> {
    pub(super) fn open(settings: &'a Settings, text: Text) -> Result<Self, String> {
        let sink = match &settings.into {
            None => Sink::Stdout,
            Some(Into::File(path)) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Sink::File(file.map_err(|error| text.no_file(&path.display(), &error))?)
            }
            Some(Into::Folder(path)) => {
                let made = std::fs::create_dir_all(path);
                made.map_err(|error| text.no_file(&path.display(), &error))?;
                Sink::Folder(path.clone(), 0)
            }
        };
        Ok(Self {
            settings,
            text,
            sink,
            bytes: Vec::new(),
        })
    }

    pub(super) fn message(&mut self, message: &Message) -> Result<(), Trouble> {
        if let Sink::Folder(folder, number) = &mut self.sink {
            return save(folder, number, message);
        }
        self.bytes.clear();
        self.lay_out(message);
        match &mut self.sink {
            Sink::File(file) => Ok(file.write_all(&self.bytes)?),
            _ => print(&self.bytes),
        }
    }

    fn lay_out(&mut self, message: &Message) {
        let payload = message.payload();
        match &self.settings.format {
            Some(format) => self.formatted(format, message),
            None if !self.settings.verbose && payload.is_empty() => return,
            None if !self.settings.verbose => self.bytes.extend_from_slice(payload),
            // Without an end of line mosquitto tells of an empty message by nothing at all.
            None if payload.is_empty() && self.settings.end.is_empty() => return,
            None => {
                self.bytes.extend_from_slice(message.topic().as_bytes());
                self.bytes.push(b' ');
                let shown = if payload.is_empty() {
                    b"(null)"
                } else {
                    payload
                };
                self.bytes.extend_from_slice(shown);
            }
        }
        self.bytes.extend_from_slice(self.settings.end);
    }

    fn formatted(&mut self, format: &Format, message: &Message) {
        let done = format.print(message, self.settings.pretty, &mut self.bytes);
        if let Err(Fault::NotJson) = done {
            self.settings.complain(&self.text.not_json(message.topic()));
        }
    }
}

/// Never over a file that is there.
fn save(folder: &std::path::Path, number: &mut u64, message: &Message) -> Result<(), Trouble> {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let topic: String = message.topic().chars().take(60).map(plain).collect();
    loop {
        *number += 1;
        let path = folder.join(format!("{number:06}-{topic}"));
        match File::create_new(path) {
            Ok(mut file) => return Ok(file.write_all(message.payload())?),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
}
