//! What is done to a store from outside: looking whether it is whole, mending it, carrying it to
//! another one. The command line is the binary's; here are the functions and their results.

mod check;
mod portable;
mod repair;

#[cfg(test)]
pub(super) use check::check_on;
pub use check::{Check, check, exists};
#[cfg(test)]
pub(super) use portable::import_on;
pub use portable::{BEGIN_BYTES, Carried, ImportError, import, look_through, may_begin};
#[cfg(test)]
pub(super) use repair::repair_on;
pub use repair::{Repair, repair};
