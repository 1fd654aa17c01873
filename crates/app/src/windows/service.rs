//! `ternmq service install | start | stop | uninstall`, and what Windows then starts. The service runs
//! as LocalService, which may do less than a user, on data that only it and administrators may read.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod,
    ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{Error, define_windows_service, service_dispatcher};

use crate::cli::Options;
use crate::signals::Signals;
use crate::supervisor::{Supervisor, Turn};
use crate::text::Text;

const NAME: &str = "TernMQ";
const ACCOUNT: &str = r"NT AUTHORITY\LocalService";
/// Full rights for the system, administrators and the account, by the names that all languages of
/// Windows share.
const RIGHTS: [&str; 3] = [
    "*S-1-5-18:(OI)(CI)F",
    "*S-1-5-32-544:(OI)(CI)F",
    "*S-1-5-19:(OI)(CI)F",
];
/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Install,
    Uninstall,
    Start,
    Stop,
    /// Windows says this, nobody else.
    Run,
}

/// Carries it out. An error is one line for people.
pub(crate) fn run(command: &Command, options: &Options, text: Text) -> Result<ExitCode, String> {
    let said = match command {
        Command::Install => install(options, text)?,
        Command::Uninstall => uninstall(text)?,
        Command::Start => start(text)?,
        Command::Stop => stop(text)?,
        Command::Run => {
            serve(options, text)?;
            String::new()
        }
    };
    let _ = io::stdout().write_all(said.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Where the service keeps everything.
fn home() -> PathBuf {
    let shared = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
    PathBuf::from(shared).join(NAME)
}

fn manager(access: ServiceManagerAccess, text: Text) -> Result<ServiceManager, String> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(|error| text.service_refused(&cause(&error)))
}

fn install(options: &Options, text: Text) -> Result<String, String> {
    let refused = |error: Error| text.service_refused(&cause(&error));
    let program = std::env::current_exe().map_err(|error| text.service_refused(&error))?;
    let own = std::env::var_os("USERPROFILE").filter(|_| !is_system());
    if own.is_some_and(|own| program.starts_with(own)) {
        return Err(text.service_in_profile(&program.display().to_string()));
    }
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let manager = manager(access, text)?;
    let home = home();
    std::fs::create_dir_all(&home).map_err(|error| text.service_refused(&error))?;
    let rights = RIGHTS.iter().flat_map(|right| ["/grant:r", *right]);
    let told = Program::new("icacls")
        .arg(&home)
        .arg("/inheritance:r")
        .args(rights)
        .output();
    if !told.is_ok_and(|told| told.status.success()) {
        return Err(text.service_refused(&text.no_rights(&home.display().to_string())));
    }
    let mut arguments: Vec<OsString> = ["service", "run", "--data-dir"].map(Into::into).into();
    arguments.push(home.clone().into());
    let log = home.join("log").join("ternmq.log");
    arguments.extend(["--set".into(), format!("log.file={}", log.display()).into()]);
    if let Some(file) = options.file() {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        arguments.extend(["--config".into(), file.into()]);
    }
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program.clone(),
        launch_arguments: arguments,
        dependencies: Vec::new(),
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    };
    let service = manager
        .create_service(&info, ServiceAccess::CHANGE_CONFIG | ServiceAccess::START)
        .map_err(refused)?;
    // What follows is no reason to have no service.
    let _ = service.set_description(text.about());
    let again = ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(2),
    };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(86_400)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![again; 3]),
    };
    service.update_failure_actions(actions).map_err(refused)?;
    let _ = service.set_failure_actions_on_non_crash_failures(true);
    let mut said = text.service_installed(&home.display().to_string());
    if offer(text) && add_rule(&program) {
        said += text.firewall_open();
    } else {
        let rules = text.firewall_rules(&program.display().to_string());
        said += &text.firewall_later(&rules);
    }
    Ok(said)
}

/// A person at the keyboard is asked; nobody else is.
fn offer(text: Text) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    let _ = io::stderr().write_all(text.ask_firewall().as_bytes());
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    answer.trim().to_ascii_lowercase().starts_with('y')
}

fn add_rule(program: &Path) -> bool {
    let program = format!("program={}", program.display());
    let rule = |arguments: &[&str]| {
        let mut netsh = Program::new("netsh");
        netsh.args(["advfirewall", "firewall"]).args(arguments);
        let told = netsh.args(["dir=in", &program]).output();
        told.is_ok_and(|told| told.status.success())
    };
    // What a No to Windows' own question left would be stronger; mostly there is nothing.
    rule(&["delete", "rule", "name=all"]);
    rule(&["add", "rule", "name=TernMQ", "action=allow"])
}

/// Services have no profile of a person's.
fn is_system() -> bool {
    std::env::var_os("USERPROFILE").is_some_and(|own| {
        Path::new(&own)
            .components()
            .any(|c| c.as_os_str() == "config")
    })
}

fn open(access: ServiceAccess, text: Text) -> Result<windows_service::service::Service, String> {
    manager(ServiceManagerAccess::CONNECT, text)?
        .open_service(NAME, access)
        .map_err(|error| text.no_service(&cause(&error)))
}

fn start(text: Text) -> Result<String, String> {
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS, text)?;
    service
        .start::<OsString>(&[])
        .map_err(|error| text.service_refused(&cause(&error)))?;
    reach(&service, ServiceState::Running, text)?;
    Ok(text.service_started().to_owned())
}

fn stop(text: Text) -> Result<String, String> {
    let service = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS, text)?;
    let state = service.query_status().map(|status| status.current_state);
    if !matches!(state, Ok(ServiceState::Stopped)) {
        service
            .stop()
            .map_err(|error| text.service_refused(&cause(&error)))?;
        reach(&service, ServiceState::Stopped, text)?;
    }
    Ok(text.service_stopped().to_owned())
}

fn uninstall(text: Text) -> Result<String, String> {
    // What cannot be stopped is deleted when it has ended.
    let _ = stop(text);
    open(ServiceAccess::DELETE, text)?
        .delete()
        .map_err(|error| text.service_refused(&cause(&error)))?;
    Ok(text.service_gone(&home().display().to_string()))
}

fn reach(
    service: &windows_service::service::Service,
    wanted: ServiceState,
    text: Text,
) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = service
            .query_status()
            .map_err(|error| text.service_refused(&cause(&error)))?;
        if status.current_state == wanted {
            return Ok(());
        }
        let log = home().join("log").join("ternmq.log");
        if status.current_state == ServiceState::Stopped || Instant::now() > until {
            return Err(text.service_fell(&log.display().to_string()));
        }
        // Windows tells nobody.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The system's own words are behind the library's.
fn cause(error: &Error) -> String {
    match error {
        Error::Winapi(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// What the service's thread needs and cannot be given.
static SERVED: OnceLock<(Options, Text)> = OnceLock::new();

define_windows_service!(entry, on_start);

fn serve(options: &Options, text: Text) -> Result<(), String> {
    let _ = SERVED.set((options.clone(), text));
    service_dispatcher::start(NAME, entry).map_err(|error| text.no_dispatcher(&cause(&error)))
}

/// Called by Windows, on a thread of its own.
fn on_start(_: Vec<OsString>) {
    let (options, text) = SERVED.get().expect("set before this is called");
    let (stop, stops) = channel();
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            // Nobody receives when it is stopping already.
            let _ = stop.send(());
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(status) = service_control_handler::register(NAME, handler) else {
        return;
    };
    let tell = move |state, accepted, code| {
        let told = status.set_service_status(ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted: accepted,
            exit_code: ServiceExitCode::ServiceSpecific(code),
            checkpoint: 0,
            wait_hint: PATIENCE,
            process_id: None,
        });
        if let Err(error) = told {
            tracing::warn!("Windows was not told of the service's state: {error}");
        }
    };
    let none = ServiceControlAccept::empty();
    tell(ServiceState::StartPending, none, 0);
    let supervisor = Supervisor::new(move |turn| match turn {
        Turn::Ready(_) => {
            let stops = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
            tell(ServiceState::Running, stops, 0);
        }
        Turn::Stopping => tell(ServiceState::StopPending, none, 0),
        Turn::Opening(_) | Turn::Moved(_) | Turn::Reloading | Turn::Failed(_) | Turn::Alive => {}
    });
    let ended = crate::run(options, Signals::of(stops), &supervisor, *text);
    if let Err(line) = &ended {
        last_line(line);
    }
    tell(ServiceState::Stopped, none, u32::from(ended.is_err()));
}

/// Why it did not start, in the log: there is no window.
fn last_line(line: &str) {
    let log = home().join("log").join("ternmq.log");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log);
    if let Ok(mut file) = file {
        let _ = writeln!(file, "ternmq: {line}");
    }
}
