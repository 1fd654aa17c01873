//! Failing system calls in a running broker, by `strace`. Of the calls that write, only the store
//! uses `pwrite64`, and only it uses `fdatasync`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const ATTACH: Duration = Duration::from_secs(10);

/// A fault that is there as long as this value.
pub(crate) struct Injection(Child);

/// Whether this process may trace another one.
pub(crate) fn allowed() -> bool {
    let traced = Command::new("strace").args(["-qq", "true"]).output();
    let allowed = traced.is_ok_and(|done| done.status.success());
    if !allowed {
        println!("NOT TESTED: this needs strace, and the right to trace a process");
    }
    allowed
}

impl Injection {
    /// Each rule as `strace -e inject=` takes it.
    pub(crate) fn attach(pid: u32, rules: &[&str]) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        let calls: Vec<&str> = rules.iter().map(|r| r.split(':').next().unwrap()).collect();
        strace.arg("-e").arg(format!("trace={}", calls.join(",")));
        for rule in rules {
            strace.arg("-e").arg(format!("inject={rule}"));
        }
        let mut child = strace.stderr(Stdio::piped()).spawn().expect("strace runs");
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let lines = channel_of(said);
        let injection = Self(child);
        loop {
            let line = lines.recv_timeout(ATTACH).expect("strace attaches");
            if line.contains(" attached") {
                return injection;
            }
        }
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // It lets the broker go when it is asked to end, not when it is killed.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-s", "INT", &pid]).status();
        let _ = self.0.wait();
    }
}

fn channel_of(
    lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static,
) -> Receiver<String> {
    let (to, from) = channel();
    // Read to the end: strace would stop at a full pipe, and the broker with it.
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
    from
}
