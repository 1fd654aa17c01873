//! Prints the OpenAPI document; `cargo xtask openapi` keeps it for the dashboard's client.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

fn main() {
    println!("{}", api::document());
}
