//! The last lines of the program's log. The log is the process's, and so are they.

pub use crate::{
    config::Level,
    observe::lines::{Line, newest, push},
};
