//! `cargo xtask mutate`: does the named test fail once the named line is disabled? In a copy of the
//! tree under `target/mutate`, every line that carries a drawn row's id is disabled as far as that
//! compiles; a row of which no line can be is counted and replaced by another. Only what a row needs
//! is built: unit tests, then a broker at which the black-box tests, built once, are pointed.

use crate::evidence::{Evidence, Place, collect};
use crate::mutation::mutations;
use crate::rust::Source;
use crate::spec::{Statement, Who, statements};
use crate::tree::Tree;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A test that does not end in this time was disabled into a standstill, which counts as a failure.
const TEST_SECS_MAX: u64 = 120;

/// Tests by what runs them.
type Tests = BTreeMap<Target, BTreeSet<String>>;

/// In the order in which they are tried: unit tests need fewer crates than a whole broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// Arguments that select it: `-p engine --lib`.
    Cargo(Vec<String>),
    BlackBox,
}

struct Options {
    seed: u64,
    rows: usize,
    /// Only these ids, for work on a single row.
    ids: Vec<String>,
    /// Only rows whose code and tests stand in one crate, which then is all that must pass.
    package: Option<String>,
}

enum Outcome {
    Killed(String),
    Survived(String),
    /// Why no line could be disabled.
    Unchanged(&'static str),
}

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let mut evidence = collect(tree)?;
    if let Some(name) = &options.package {
        let folder = format!("crates/{name}/");
        for places in evidence
            .code
            .values_mut()
            .chain(evidence.tests.values_mut())
        {
            places.retain(|place| place.path.starts_with(&folder));
        }
    }
    let statements = statements(tree)?;
    let mut rows: Vec<&Statement> = statements
        .iter()
        .filter(|row| row.who != Who::Client && has_own_proof(row, &evidence))
        .filter(|row| options.ids.is_empty() || options.ids.contains(&row.cite.id))
        .collect();
    ensure!(
        !rows.is_empty(),
        "no row has both a line of code and a Rust test of its own"
    );
    shuffle(&mut rows, options.seed);
    let mut bench = Bench::prepare(tree)?;
    println!(
        "mutate: {} rows to draw from, seed {}",
        rows.len(),
        options.seed
    );
    // A few more than asked for, as some may have to be redrawn.
    let likely = rows.iter().take(options.rows + options.rows / 4);
    let tests = likely.map(|row| bench.named_tests(&evidence.tests[&row.cite]));
    bench.check_unchanged(tests.flatten().collect())?;
    let (mut killed, mut survived, mut redrawn) = (0, Vec::new(), 0);
    for row in rows {
        if killed + survived.len() == options.rows {
            break;
        }
        let id = &row.cite.to_string();
        match bench.row(row, &evidence).with_context(|| id.clone())? {
            Outcome::Killed(how) => {
                killed += 1;
                println!("killed    {id}: {how}");
            }
            Outcome::Survived(how) => {
                println!("SURVIVED  {id}: {how}");
                survived.push(id.clone());
            }
            Outcome::Unchanged(why) => {
                redrawn += 1;
                println!("redrawn   {id}: {why}");
            }
        }
    }
    println!(
        "mutate: {killed} killed, {} survived, {redrawn} redrawn, seed {}",
        survived.len(),
        options.seed
    );
    // One in twenty may live: what the issue asks for.
    ensure!(
        survived.len() * 20 <= killed + survived.len(),
        "too many rows survived"
    );
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        seed: 1,
        rows: 20,
        ids: Vec::new(),
        package: None,
    };
    for pair in args.chunks(2) {
        let [name, value] = pair else {
            bail!("{} wants a value", pair[0])
        };
        match name.as_str() {
            "--seed" => options.seed = value.parse()?,
            "--rows" => options.rows = value.parse()?,
            "--package" => options.package = Some(value.clone()),
            "--id" => options.ids.push(value.clone()),
            other => bail!("no option {other}"),
        }
    }
    Ok(options)
}

fn has_own_proof(row: &Statement, evidence: &Evidence) -> bool {
    evidence
        .code
        .get(&row.cite)
        .is_some_and(|places| !places.is_empty())
        && evidence
            .tests
            .get(&row.cite)
            .is_some_and(|tests| tests.iter().any(is_rust))
}

fn is_rust(place: &Place) -> bool {
    place.path.ends_with(".rs")
}

/// Fisher-Yates over an xorshift: the same seed draws the same rows everywhere.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for at in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(at).unwrap_or(u64::MAX - 1) + 1;
        items.swap(at, usize::try_from(state % bound).unwrap_or(0));
    }
}

/// The copy in which lines are disabled.
struct Bench {
    copy: Tree,
    target: PathBuf,
    /// The binary of the black-box tests, built from the unchanged tree.
    black_box: PathBuf,
    /// Tests that were seen to pass in the unchanged tree.
    passed: BTreeSet<(Target, String)>,
}

impl Bench {
    /// Copies what changed since the last run, and builds the black-box tests.
    fn prepare(tree: &Tree) -> Result<Self> {
        let folder = tree.join("target/mutate");
        let copy = Tree::at(&folder.join("tree"));
        let files = tree.files()?;
        let mut stale: BTreeSet<String> = if copy.root().exists() {
            walk(&copy)?
        } else {
            BTreeSet::new()
        };
        for path in &files {
            stale.remove(path);
            let (from, to) = (tree.join(path), copy.join(path));
            let new = std::fs::read(&from)?;
            // Untouched files keep their time, so that cargo builds only what differs.
            if std::fs::read(&to).ok().as_ref() != Some(&new) {
                std::fs::create_dir_all(to.parent().context("a file stands in a folder")?)?;
                std::fs::write(&to, new)?;
            }
        }
        for path in stale {
            std::fs::remove_file(copy.join(&path))?;
        }
        let mut bench = Self {
            copy,
            target: folder.join("target"),
            black_box: PathBuf::new(),
            passed: BTreeSet::new(),
        };
        let select = ["-p", "app", "--test", "blackbox", "--no-run"];
        let out = bench
            .cargo(&["test", "--message-format", "json"])
            .args(select)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(out.status.success(), "the black-box tests do not compile");
        let text = String::from_utf8_lossy(&out.stdout);
        bench.black_box = executable(&text).context("cargo names no binary of the tests")?;
        Ok(bench)
    }

    /// Makes sure that tests pass before anything is disabled.
    fn check_unchanged(&mut self, tests: Vec<(Target, BTreeSet<String>)>) -> Result<()> {
        let mut due = Tests::new();
        for (target, names) in tests {
            let fresh = names
                .into_iter()
                .filter(|name| !self.passed.contains(&(target.clone(), name.clone())));
            due.entry(target.clone()).or_default().extend(fresh);
        }
        due.retain(|_, names| !names.is_empty());
        if let Some(test) = self.failing(&due)? {
            bail!("the tests must pass first: {test}");
        }
        for (target, names) in due {
            self.passed
                .extend(names.into_iter().map(|name| (target.clone(), name)));
        }
        Ok(())
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command
            .args(args)
            .current_dir(self.copy.root())
            .env("CARGO_TARGET_DIR", &self.target)
            // Nobody reads a backtrace here, and debug information costs as much as the code.
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        command
    }

    fn row(&mut self, row: &Statement, evidence: &Evidence) -> Result<Outcome> {
        let tests = self.named_tests(&evidence.tests[&row.cite]);
        if tests.is_empty() {
            return Ok(Outcome::Unchanged("its tests are not run by cargo"));
        }
        self.check_unchanged(tests.clone().into_iter().collect())?;
        let mut originals: BTreeMap<&str, String> = BTreeMap::new();
        let mut done = Vec::new();
        for place in obeying(&self.copy, &evidence.code[&row.cite])? {
            let before = self.copy.read(&place.path)?;
            if let Some(what) = self.disable(place, &before)? {
                originals.entry(&place.path).or_insert(before);
                done.push(what);
            }
        }
        let outcome = if done.is_empty() {
            Outcome::Unchanged("no line of it can be disabled by changing text")
        } else {
            let how = done.join("; ");
            match self.failing(&tests)? {
                Some(test) => Outcome::Killed(format!("{how} -> {test}")),
                None => Outcome::Survived(how),
            }
        };
        for (path, text) in originals {
            std::fs::write(self.copy.join(path), text)?;
        }
        Ok(outcome)
    }

    /// Applies the first change that compiles; the file is as before if none does.
    fn disable(&self, place: &Place, before: &str) -> Result<Option<String>> {
        let source = Source::new(&place.path, before.to_owned());
        let package = package(&place.path);
        let part = if package == "app" { "--bins" } else { "--lib" };
        for mutation in mutations(&source, place.line) {
            std::fs::write(self.copy.join(&place.path), &mutation.text)?;
            let check = self
                .cargo(&["check", "--quiet", "--package", package, part])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if check.success() {
                return Ok(Some(mutation.what));
            }
        }
        std::fs::write(self.copy.join(&place.path), before)?;
        Ok(None)
    }

    /// The tests of a row.
    fn named_tests(&self, places: &BTreeSet<Place>) -> Tests {
        let mut named = Tests::new();
        for place in places.iter().filter(|place| is_rust(place)) {
            let target = if place.path.starts_with("tests/") {
                named
                    .entry(Target::BlackBox)
                    .or_default()
                    .insert(place.name.clone());
                continue;
            } else if let Some(rest) = place.path.split_once("/tests/").map(|(_, rest)| rest)
                && !place.path.contains("/src/")
            {
                let name = rest
                    .split('/')
                    .next()
                    .unwrap_or(rest)
                    .trim_end_matches(".rs");
                ["-p", package(&place.path), "--test", name]
                    .map(str::to_owned)
                    .to_vec()
            } else if place.path.starts_with("crates/app/") {
                ["-p", "app", "--bins"].map(str::to_owned).to_vec()
            } else if place.path.starts_with("crates/") {
                ["-p", package(&place.path), "--lib"]
                    .map(str::to_owned)
                    .to_vec()
            } else {
                continue;
            };
            let target = Target::Cargo(target);
            named.entry(target).or_default().insert(place.name.clone());
        }
        named
    }

    /// Builds what runs these tests; gives the command, to which their names are added.
    fn runner(&self, target: &Target) -> Result<Command> {
        let (build, run) = match target {
            Target::BlackBox => {
                let build = self.cargo(&["build", "--quiet", "-p", "app", "--bins"]);
                let mut run = Command::new(&self.black_box);
                run.env("TERNMQ_BIN", self.target.join("debug/ternmq"));
                run.current_dir(self.copy.join("crates/app"));
                (build, run)
            }
            Target::Cargo(select) => {
                let mut build = self.cargo(&["test", "--quiet"]);
                build.args(select).arg("--no-run");
                let mut run = self.cargo(&["test", "--quiet"]);
                run.args(select).arg("--");
                (build, run)
            }
        };
        let mut build = build;
        let built = build.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(built.success(), "{target:?} does not compile");
        Ok(run)
    }

    /// The first of the named tests that fails or does not end.
    fn failing(&self, tests: &Tests) -> Result<Option<String>> {
        for (target, names) in tests {
            let mut command = self.runner(target)?;
            command.args(names);
            let log = self.target.join("tests.log");
            match run_limited(command, &log)? {
                Run::Passed => {}
                Run::Endless => return Ok(Some("never ends".to_owned())),
                Run::Failed => {
                    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
                    let failed = failed_tests(&text);
                    // A name given to cargo also selects longer names; those do not count. A run
                    // that names no test broke down as a whole.
                    if failed.is_empty() {
                        return Ok(Some("the test run breaks down".to_owned()));
                    }
                    if let Some(name) = failed.iter().find(|name| names.contains(**name)) {
                        return Ok(Some(format!("{name} fails")));
                    }
                }
            }
        }
        Ok(None)
    }
}

enum Run {
    Passed,
    Failed,
    Endless,
}

/// Runs a command to its end or its time limit; what it prints goes to a file.
fn run_limited(mut command: Command, log: &Path) -> Result<Run> {
    let file = std::fs::File::create(log)?;
    command.stdout(file.try_clone()?).stderr(file);
    // A group of its own, so that a test that hangs can be ended with all that it started.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let deadline = Instant::now() + Duration::from_secs(TEST_SECS_MAX);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() {
                Run::Passed
            } else {
                Run::Failed
            });
        }
        if Instant::now() > deadline {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            child.wait()?;
            return Ok(Run::Endless);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Last parts of the names of failed tests, as the test harness lists them.
fn failed_tests(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("---- ")?.strip_suffix(" stdout ----"))
        .map(|path| path.rsplit("::").next().unwrap_or(path))
        .collect()
}

/// Lines to disable: those inside bodies, or, where there are none, the items whose doc has the id.
fn obeying<'a>(copy: &Tree, places: &'a BTreeSet<Place>) -> Result<Vec<&'a Place>> {
    let mut inside = Vec::new();
    for place in places {
        let source = Source::new(&place.path, copy.read(&place.path)?);
        let within = source
            .function(place.line)
            .is_some_and(|f| place.line > f.signature);
        if within {
            inside.push(place);
        }
    }
    if inside.is_empty() {
        inside = places.iter().collect();
    }
    // From the end of a file to its start, so that lines above keep their numbers.
    inside.sort_by(|a, b| a.path.cmp(&b.path).then(b.line.cmp(&a.line)));
    Ok(inside)
}

fn package(path: &str) -> &str {
    path.strip_prefix("crates/")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or("app")
}

/// The binary of the black-box tests in what cargo tells, a JSON object a line.
fn executable(told: &str) -> Option<PathBuf> {
    let line = told.lines().find(|line| {
        line.contains("\"name\":\"blackbox\"") && line.contains("\"executable\":\"")
    })?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let path = rest.split('"').next()?;
    Some(PathBuf::from(path.replace("\\\\", "\\")))
}

fn walk(tree: &Tree) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![tree.root().to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let relative = path.strip_prefix(tree.root())?;
                found.insert(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_rows() {
        let draw = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        let mut all = draw(5);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }
}
