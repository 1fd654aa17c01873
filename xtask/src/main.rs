//! The repository's only build tool: `cargo xtask <command>`.
//!
//! Everything that CI does, everything that is generated and every promise about the tree's shape
//! has its command here, so that a person and a machine run the same thing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod ci;
mod cite;
mod evidence;
mod fuzz;
mod mutate;
mod mutation;
mod openapi;
mod package;
mod picture;
mod rust;
mod show;
mod spec;
mod tidy;
mod torture;
mod tree;
mod windows;

use anyhow::{Result, bail};
use std::process::ExitCode;
use tree::Tree;

const USAGE: &str = "\
cargo xtask <command>

  ci                        everything that must pass before a change lands
  tidy                      the shape of the tree: imports, sizes, names, map, spec ids
  spec [--check]            write docs/conformance.md, or fail if it is stale
  openapi                   write web/openapi.json, from which the dashboard's client is made
  mutate [--seed N] [--rows N] [--id ID]... [--package P]
                            disable lines that obey the standard, see the named tests fail
  show ISSUE [LINE] [--loadgen PATH] [--repeat N] [--seconds N]
                            run the must-show lines of an issue
  package [--built] [amd64|arm64|windows|python]...
                            everything that people download, in target/dist
  fuzz [--seconds N] [TARGET]...
                            the targets of fuzz/ under libFuzzer, 60 s each
  torture [--hours N] [--seed S]
                            kills, power cuts, damage, sick disks, until the time is up
  windows                   check that the Windows target compiles
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let Some((command, rest)) = args.split_first() else {
        bail!("which command?\n\n{USAGE}");
    };
    let tree = Tree::here()?;
    match command.as_str() {
        "ci" => ci::run(&tree),
        "tidy" => tidy::run(&tree),
        "spec" => match rest {
            [] => spec::write(&tree),
            [flag] if flag == "--check" => spec::check(&tree),
            _ => bail!("spec takes --check or nothing"),
        },
        "mutate" => mutate::run(&tree, rest),
        "openapi" => openapi::write(&tree),
        "package" => package::run(&tree, rest),
        "show" => show::run(&tree, rest),
        "fuzz" => fuzz::run(&tree, rest),
        "torture" => torture::run(&tree, rest),
        "windows" => windows::run(&tree),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no command {other}\n\n{USAGE}"),
    }
}
