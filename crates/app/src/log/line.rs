//! What a line of the log looks like: for people, for the journal, or as JSON. One event is one line,
//! whatever a client put into it.

use std::fmt::Write as _;

use broker::config::Level;
use jiff::Timestamp;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Time, level, message.
    Text,
    /// The same in colours.
    Colours,
    /// The message behind its priority; the journal has the time.
    Journal,
    /// One object.
    Json,
}

/// Said in place of lines that nobody took.
pub(super) fn lost(lines: u64) -> String {
    format!("{lines} lines of the log were dropped here, because they were not taken in time")
}

impl Form {
    /// One line, with its end.
    pub(super) fn line(self, level: Level, message: &str) -> String {
        self.line_at(Timestamp::now(), level, message)
    }

    fn line_at(self, now: Timestamp, level: Level, message: &str) -> String {
        let (name, colour, priority) = match level {
            Level::Error => ("ERROR", 31, 3),
            Level::Warn => ("WARN", 33, 4),
            Level::Info => ("INFO", 32, 6),
            Level::Debug => ("DEBUG", 34, 7),
            Level::Trace => ("TRACE", 35, 7),
        };
        let mut line = match self {
            Self::Text => format!("{now:.6} {name:>5} "),
            Self::Colours => format!("\x1b[2m{now:.6}\x1b[0m \x1b[{colour}m{name:>5}\x1b[0m "),
            Self::Journal => format!("<{priority}>"),
            Self::Json => {
                let object = serde_json::json!({
                    "time": format!("{now:.6}"),
                    "level": name.to_ascii_lowercase(),
                    "message": message,
                });
                return format!("{object}\n");
            }
        };
        for c in message.chars() {
            // A client id with a line break or a terminal's commands in it forges nothing.
            if c.is_control() && c != '\t' {
                // Into a String it cannot fail.
                let _ = write!(line, "{}", c.escape_default());
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_each_form() {
        let now: Timestamp = "2026-01-02T03:04:05.123456Z".parse().unwrap();
        let cases = [
            (
                Form::Text,
                "2026-01-02T03:04:05.123456Z  WARN 客户端 a\\n\\u{1b}[2Jb\n",
            ),
            (
                Form::Colours,
                "\x1b[2m2026-01-02T03:04:05.123456Z\x1b[0m \x1b[33m WARN\x1b[0m 客户端 a\\n\\u{1b}[2Jb\n",
            ),
            (Form::Journal, "<4>客户端 a\\n\\u{1b}[2Jb\n"),
            (
                Form::Json,
                "{\"level\":\"warn\",\"message\":\"客户端 a\\n\\u001b[2Jb\",\
                 \"time\":\"2026-01-02T03:04:05.123456Z\"}\n",
            ),
        ];
        for (form, expected) in cases {
            let line = form.line_at(now, Level::Warn, "客户端 a\n\x1b[2Jb");
            assert_eq!(line, expected, "{form:?}");
        }
    }
}
