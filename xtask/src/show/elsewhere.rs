//! Every authenticator and every source of rules beside the server that answers it, in black-box tests: each
//! allows, denies, is down, is slow and talks nonsense. What the broker looks up itself is never slow.

use anyhow::{Result, ensure};

use super::rows;
use crate::tree::Tree;

/// Who is asked, and the tests that show all of that.
const ASKED: [(&str, &[&str]); 12] = [
    (
        "users of the broker's own",
        &[
            "authenticate::users_of_the_broker",
            "authenticate::users_are_kept",
            "authenticate::whoever_waits_too_long",
        ],
    ),
    (
        "users in a password file",
        &["authenticate::a20_password_file_of_mosquitto"],
    ),
    (
        "tokens, by keys of its own",
        &[
            "authenticate::a19_tokens_as_passwords",
            "back_ends::rights_in_tokens",
        ],
    ),
    (
        "tokens, by keys of a service",
        &[
            "back_ends::a15_keys_from_a_service",
            "back_ends::a15_keys_over_tls",
        ],
    ),
    (
        "users by SCRAM",
        &[
            "scram::by_either_hash",
            "scram::nobody_else_comes_in",
            "scram::against_the_rules",
            "scram::silent_ones",
            "scram::proven_anew",
            "scram::users_of_scram",
        ],
    ),
    (
        "users over HTTP",
        &[
            "back_ends::a15_a_service_says_who_comes_in",
            "back_ends::a15_a_service_that_is_gone",
            "back_ends::a15_a_service_over_tls",
            "back_ends::names_stay_names",
        ],
    ),
    (
        "rules over HTTP",
        &[
            "sources::a15_a_service_says_what_may_be_done",
            "sources::a15_a_service_is_asked_about_wills",
            "sources::a15_a_service_of_rules_that_is_gone",
            "sources::sources_anywhere_in_the_order",
            "back_ends::a15_a_service_over_tls",
        ],
    ),
    (
        "users and rules in PostgreSQL",
        &["databases::a15_users_and_rules_in_postgresql"],
    ),
    (
        "users and rules in MariaDB",
        &["databases::a15_users_and_rules_in_mysql"],
    ),
    (
        "users and rules in Redis",
        &["databases::a15_users_and_rules_in_redis"],
    ),
    (
        "users in a directory (LDAP)",
        &[
            "directories::a15_users_in_a_directory_by_their_hashes",
            "directories::a15_users_in_a_directory_by_signing_in",
            "directories::a15_a_directory_over_tls",
            "directories::a15_a_directory_that_talks_nonsense",
        ],
    ),
    (
        "rules of the broker's own and in a file",
        &[
            "authorize::a08_a09_wider_than_allowed",
            "authorize::a11_names_in_expressions",
            "authorize::kept_over_a_kill",
        ],
    ),
];

pub(super) fn show(tree: &Tree) -> Result<()> {
    let mut names: Vec<&str> = ASKED
        .iter()
        .flat_map(|(_, tests)| *tests)
        .copied()
        .collect();
    names.sort_unstable();
    names.dedup();
    let said = rows::run_by_name(tree, &names)?;
    let mut passed = 0;
    for (asked, tests) in ASKED {
        let failed = tests.iter().filter(|name| !rows::passed(&said, name));
        let failed: Vec<&str> = failed.copied().collect();
        passed += usize::from(failed.is_empty());
        match &*failed {
            [] => println!("{asked:<42} passed  {}", tests.join(", ")),
            failed => println!("{asked:<42} FAILED  {}", failed.join(", ")),
        }
    }
    rows::print_figures(&said);
    println!("{passed} of {} passed", ASKED.len());
    if passed < ASKED.len() {
        println!("{said}");
    }
    ensure!(passed == ASKED.len(), "{} failed", ASKED.len() - passed);
    Ok(())
}
