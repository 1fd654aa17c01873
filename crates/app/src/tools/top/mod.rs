//! `ternmq top`: a live view of a broker in the terminal, through its REST API. Where there is no
//! terminal it looks twice, prints once and ends.

mod http;
mod screen;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::settings::Settings;
use super::stop::Stop;
use super::{code, output};
use crate::text::Text;
use http::{Api, Fault};
use screen::{Client, Look, Size, Topic, page};

/// What the options say.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) interval: Duration,
    pub(super) is_once: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            is_once: false,
        }
    }
}

const PORT: u16 = 18083;
const USER: &str = "admin";
/// Good on a fresh broker, from the same machine and near networks, to look only.
const PASSWORD: &str = "public";
/// Clients that are looked at; the API gives no more at once.
const CLIENTS_MAX: u32 = 10_000;
const FIELDS: &str =
    "clientid,username,ip_address,recv_msg,send_msg,mqueue_len,mqueue_dropped,connected";

pub(super) fn run(settings: &Settings, text: Text) -> u8 {
    match watch(settings, text) {
        Ok(()) => code::DONE,
        Err(line) => {
            settings.complain(&line);
            code::FAILED
        }
    }
}

fn watch(settings: &Settings, text: Text) -> Result<(), String> {
    let told = |fault: Fault| match fault {
        Fault::Lost(line) => line,
        Fault::Status(status, line) => text.api_refused(status, &line),
    };
    let host = settings.host.as_deref().unwrap_or("localhost");
    let port = settings.port.unwrap_or(PORT);
    let user = settings.user_name.as_deref().unwrap_or(USER);
    let password = match &settings.password {
        Some(password) => String::from_utf8_lossy(password).into_owned(),
        None => PASSWORD.to_owned(),
    };
    let api = Api::open(host, port, user, &password, text).map_err(told)?;
    let stop = Stop::listen(|| {}).map_err(|error| text.no_signals(&error))?;
    let is_live = std::io::stdout().is_terminal() && !settings.watch.is_once;
    let _screen = is_live.then(Screen::enter);
    let (mut before, mut at) = (look(&api).map_err(told)?, Instant::now());
    loop {
        stop.wait(settings.watch.interval);
        if stop.is_asked() {
            return Ok(());
        }
        let now = look(&api).map_err(told)?;
        let secs = at.elapsed().as_secs_f64();
        at = Instant::now();
        let size = if is_live { size() } else { WHOLE };
        let lines = page(&before, &now, secs, size, text);
        let shown = if is_live {
            // Home; each line wipes what was behind it, the last one what was below.
            format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))
        } else {
            lines.join("\n") + "\n"
        };
        // Whoever does not read on has seen enough.
        if output::print(shown.as_bytes()).is_err() || !is_live {
            return Ok(());
        }
        before = now;
    }
}

fn look(api: &Api) -> Result<Look, Fault> {
    let rows = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let nodes = api.get("/api/v5/nodes")?;
    let clients =
        format!("/api/v5/clients?limit={CLIENTS_MAX}&conn_state=connected&fields={FIELDS}");
    let clients = api.get(&clients)?;
    let tree = api.get("/api/v5/topic_tree")?;
    let mut topics: Vec<Topic> = rows(&tree, "levels")
        .iter()
        .map(|level| Topic {
            name: level["name"].as_str().unwrap_or_default().to_owned(),
            rate: level["rate"].as_f64().unwrap_or(0.0),
            count: level["count"].as_u64().unwrap_or(0),
        })
        .collect();
    topics.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.name.cmp(&b.name)));
    Ok(Look {
        current: api.get("/api/v5/monitor_current")?,
        node: nodes.get(0).cloned().unwrap_or_default(),
        clients: rows(&clients, "data").iter().map(Client::read).collect(),
        topics,
    })
}

/// Without a terminal there is no end of the screen.
const WHOLE: Size = Size {
    columns: 200,
    lines: 60,
};

#[cfg(unix)]
fn size() -> Size {
    let usual = Size {
        columns: 80,
        lines: 24,
    };
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
            columns: size.ws_col.into(),
            lines: size.ws_row.into(),
        },
        _ => usual,
    }
}

#[cfg(not(unix))]
fn size() -> Size {
    Size {
        columns: 80,
        lines: 24,
    }
}

/// The terminal's other screen, as long as this lives; what was on the first is there again after it.
struct Screen;

impl Screen {
    fn enter() -> Self {
        let _ = output::print(b"\x1b[?1049h\x1b[?25l\x1b[2J");
        Self
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = output::print(b"\x1b[?25h\x1b[?1049l");
    }
}
