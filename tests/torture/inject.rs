//! Failing system calls in the broker, by `strace`. Of the calls that write, only the store uses
//! `pwrite64`, and only it uses `fdatasync`; no other call is stopped, so nothing else gets slower.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Faults for one process.
pub(crate) struct Injection {
    calls: String,
    rules: Vec<String>,
    log: PathBuf,
}

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
    pub(crate) fn new(rules: Vec<String>) -> Self {
        let calls: Vec<&str> = rules.iter().map(|r| call(r)).collect();
        Self::of(calls.join(","), rules)
    }

    /// No fault: the calls are only written down.
    pub(crate) fn watch(calls: &str) -> Self {
        Self::of(calls.to_owned(), Vec::new())
    }

    fn of(calls: String, rules: Vec<String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        let name = format!("ternmq-torture-{}-{n}.strace", std::process::id());
        let log = std::env::temp_dir().join(name);
        Self { calls, rules, log }
    }

    /// What stands before the broker's command. The broker stays the child of who starts it.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let mut words: Vec<String> = ["strace", "-D", "-f", "-y", "--seccomp-bpf", "-qq", "-o"]
            .map(str::to_owned)
            .into();
        words.push(self.log.to_string_lossy().into_owned());
        words.extend(["-e".into(), format!("trace={}", self.calls)]);
        for rule in &self.rules {
            words.extend(["-e".into(), format!("inject={rule}")]);
        }
        words
    }

    /// The calls so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many calls were hit.
    pub(crate) fn hits(&self) -> usize {
        let said = self.said();
        let hit = |line: &&str| line.contains("(INJECTED)") || line.contains("(DELAYED)");
        said.lines().filter(hit).count()
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

/// The system call that a rule is about.
fn call(rule: &str) -> &str {
    rule.split(':').next().unwrap_or(rule)
}
