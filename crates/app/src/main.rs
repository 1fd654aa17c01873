//! The `ternmq` program: reads its arguments, starts the broker, says where it is, and waits for a
//! signal. What a broker does is in the crate of that name.

mod banner;
mod check;
mod cli;
mod columns;
mod ctl;
mod files;
mod holder;
mod log;
mod manual;
mod migrate;
mod owner;
mod password;
mod signals;
mod store;
mod supervisor;
mod text;
mod tools;
mod whereabouts;
#[cfg(windows)]
mod windows;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use broker::config::{Config, ConfigError, Lang, Layers, Loaded};
use broker::{ChangeError, Handle, Outside, StartError, start};

use cli::{Options, Parsed};
use signals::{Signal, Signals};
use supervisor::{Supervisor, Turn};
use text::Text;
use tools::Tool;
use whereabouts::Whereabouts;

#[cfg(windows)]
use windows as system;

/// What only Windows asks for.
#[cfg(not(windows))]
mod system {
    use super::{Options, Text};

    pub(super) fn language() -> Option<String> {
        None
    }

    pub(super) fn placed(options: Options) -> Options {
        options
    }

    pub(super) fn stay(_: Text) {}
}

#[cfg(all(unix, not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(windows)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of what was not even begun, apart from 1, which says that something is damaged.
const NOT_DONE: u8 = 2;

fn main() -> ExitCode {
    let text = Text::from_env(|name| std::env::var(name).ok().or_else(system::language));
    #[cfg(not(feature = "plant"))]
    let args = std::env::args_os();
    #[cfg(feature = "plant")]
    let args = plant(std::env::args_os());
    let args: Vec<_> = args.into_iter().collect();
    // Tools read their arguments themselves: `-h` is the host there.
    if let Some((tool, rest)) = args.get(1..).and_then(Tool::find) {
        return tools::run(tool, rest, text);
    }
    let result = match cli::parse(args, text) {
        Ok(Parsed::Show(page)) => {
            // A reader that is gone, as in `ternmq --help | head -1`, is no error.
            let _ = std::io::stdout().write_all(page.as_bytes());
            Ok(ExitCode::SUCCESS)
        }
        Ok(Parsed::Start(options)) => console(&system::placed(options), text)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|line| (ExitCode::FAILURE, line)),
        Ok(Parsed::Store(command, options)) => store::run(&command, &system::placed(options), text)
            .map_err(|line| (NOT_DONE.into(), line)),
        Ok(Parsed::Check { all, options }) => {
            check::run(all, &system::placed(options), text).map_err(|line| (NOT_DONE.into(), line))
        }
        Ok(Parsed::Owner(command, options)) => owner::run(&command, &system::placed(options), text)
            .map_err(|line| (NOT_DONE.into(), line)),
        Ok(Parsed::Ctl(command, options)) => ctl::run(&command, &system::placed(options), text)
            .map_err(|line| (NOT_DONE.into(), line)),
        Ok(Parsed::Migrate(command)) => {
            migrate::run(&command, text).map_err(|line| (NOT_DONE.into(), line))
        }
        #[cfg(windows)]
        Ok(Parsed::Service(command, options)) => {
            windows::service::run(&command, &options, text).map_err(|line| (NOT_DONE.into(), line))
        }
        Err(line) => Err((NOT_DONE.into(), line)),
    };
    result.unwrap_or_else(|(code, line)| {
        let _ = writeln!(std::io::stderr(), "ternmq: {line}");
        system::stay(text);
        code
    })
}

/// Takes `--plant FAULT` out of the arguments and plants it: for the torture, which has to find it.
#[cfg(feature = "plant")]
fn plant(args: std::env::ArgsOs) -> impl Iterator<Item = std::ffi::OsString> {
    let mut args: Vec<_> = args.collect();
    if let Some(at) = args.iter().position(|arg| arg == "--plant") {
        let fault = args.drain(at..).nth(1).expect("--plant FAULT comes last");
        assert!(
            broker::store::plant(&fault.to_string_lossy()),
            "no such fault"
        );
    }
    args.into_iter()
}

/// The broker for whoever started it by hand, or for systemd. An error is one line for people.
fn console(options: &Options, text: Text) -> Result<(), String> {
    // Before the broker, so that a signal during its start is not lost.
    let signals = signals::listen().map_err(|error| text.no_signals(&error))?;
    let supervisor = Supervisor::from_env(|name| std::env::var(name).ok());
    let ended = run(options, signals, &supervisor, text);
    if let Err(line) = &ended {
        supervisor.tell(Turn::Failed(line));
    }
    ended
}

/// From options to the end of the broker.
fn run(
    options: &Options,
    mut signals: Signals,
    supervisor: &Supervisor,
    text: Text,
) -> Result<(), String> {
    let (layers, loaded) = load(options).map_err(|error| error.line(text.lang()))?;
    // Looked at before the broker puts anything there, and the log its file.
    let data = banner::data_dir(&loaded.config, text);
    let log = log::start(&loaded.config.log)
        .map_err(|error| text.no_log(loaded.config.log.file.as_deref(), &error))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let given = password::given(
        options.admin_password_file.as_deref(),
        |name| std::env::var(name).ok(),
        text,
    );
    let (password, password_from) = given?.map(|given| (given.password, given.from)).unzip();
    let connections = files::raise();
    let (again, level) = (options.clone(), log.level());
    // There when the broker is.
    let whereabouts = Arc::new(OnceLock::<Whereabouts>::new());
    let moved = whereabouts.clone();
    let outside = Outside {
        sources: Box::new(move || again.sources(std::env::vars_os())),
        applied: Box::new(move |config| {
            level.set(config.log.level);
            if let Some(whereabouts) = moved.get() {
                whereabouts.look();
            }
        }),
        ending: Arc::new(log.last_words()),
    };
    let told = supervisor.clone();
    let progress = store::report::progress_with(text, move |line| told.tell(Turn::Opening(line)));
    let mut handle = start(layers, outside, progress).map_err(|error| explain(&error, text))?;
    let api = api::start(handle.take_dashboard(), handle.admin(), password)
        .map_err(|error| text.no_dashboard(&error))?;
    if let Err(line) = check::must_be_safe(&handle.config(), &api.security(), text) {
        api.stop();
        handle.shutdown();
        return Err(line);
    }
    if let Some(from) = password_from.filter(|_| api.ignored_password()) {
        tracing::warn!("{}", text.password_ignored(&from));
    }
    let data = data + "\n" + store_lines(&handle.config(), &handle, text).trim_end();
    let authority = handle.own_authority();
    let authority = authority.map(|path| path.display().to_string());
    let set_up = api.set_up();
    let lets_in = handle.config().mqtt.allow_anonymous || api.has_default_password();
    let mut gateways = handle.config().lan_guard.gateway.hiding();
    gateways.retain(|_| lets_in);
    let told = banner::Told {
        set_up: set_up.as_ref().map(api::Secret::show),
        authority: authority.as_deref(),
        listeners: &handle.listeners(),
        data: &data,
        connections,
        default_password: api.has_default_password(),
        trusted: &handle.config().lan_guard.trusted,
        gateways: &gateways,
    };
    for door in handle.admin().doors(Lang::En) {
        tracing::info!("who comes in by {door}");
    }
    let lines = banner::lines(&told, text);
    let _ = std::io::stdout().write_all(lines.as_bytes());
    // A service whose log is a file has nobody who reads the other.
    if handle.config().log.file.is_some() {
        for line in lines.lines() {
            tracing::info!("{}", line.trim_start());
        }
    }
    // For scripts and tests: where each listener really is, also if port 0 was asked for.
    for (id, address) in handle.listeners() {
        let _ = writeln!(std::io::stdout(), "listening {id} {address}");
    }
    let whereabouts = whereabouts.get_or_init(|| Whereabouts::new(supervisor.clone(), &handle));
    whereabouts.ready();
    let admin = handle.admin();
    supervisor
        .watch(move |patience| admin.is_alive(patience))
        .map_err(|error| text.no_thread(&error))?;
    for signal in &mut signals {
        match signal {
            Signal::Reload => {
                supervisor.tell(Turn::Reloading);
                reload(&handle, text);
                whereabouts.ready();
            }
            Signal::Stop => break,
        }
    }
    supervisor.tell(Turn::Stopping);
    signals.stop_is_now_final();
    tracing::info!("shutting down");
    // First, so that nobody changes what is being put away.
    api.stop();
    handle.shutdown();
    Ok(())
}

/// What the store had, and how it was found.
fn store_lines(config: &Config, handle: &Handle, text: Text) -> String {
    let restored = handle.restored();
    let kept = store::report::Kept {
        sessions: restored.sessions,
        retained: restored.retained,
    };
    let dir = config.node.data_dir.join("store");
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    let dir: std::path::PathBuf = dir.components().collect();
    store::report::recovery(
        handle.recovery(),
        &dir.display().to_string(),
        Some(kept),
        text,
    )
}

/// All settings but those that were saved at run time.
fn load(options: &Options) -> Result<(Layers, Loaded), ConfigError> {
    let layers = Layers::read(&options.sources(std::env::vars_os()))?;
    let loaded = layers.load()?;
    Ok((layers, loaded))
}

/// SIGHUP: a configuration that cannot be used changes nothing.
fn reload(handle: &Handle, text: Text) {
    match handle.reload() {
        Ok(applied) => {
            for warning in &applied.warnings {
                tracing::warn!("{warning}");
            }
            if !applied.waiting.is_empty() {
                tracing::warn!("{}", text.restart_needed(&applied.waiting.join(", ")));
            }
            tracing::info!("{}", text.reloaded());
        }
        Err(error) => {
            let line = match &error {
                ChangeError::Config(error) => error.line(text.lang()),
                ChangeError::Listen(error) => explain(error, text),
                _ => error.to_string(),
            };
            tracing::error!("{}", text.reload_refused(&line));
        }
    }
}

/// A start that failed, with the process that holds the port where the system tells.
fn explain(error: &StartError, text: Text) -> String {
    match error {
        StartError::Listen { key, address, .. } if error.in_use().is_some() => {
            text.port_in_use(*address, holder::holder(*address).as_ref(), key)
        }
        StartError::Listen {
            key,
            address,
            source,
            ..
        } if source.kind() == ErrorKind::PermissionDenied => text.port_refused(*address, key),
        StartError::Open(error) => text.open_error(error),
        StartError::Config(error) => error.line(text.lang()),
        _ => error.to_string(),
    }
}
