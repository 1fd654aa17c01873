//! What only Windows asks for: where the data is, the language, the window of a double click, and the
//! service.

pub(crate) mod service;
mod text;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use crate::cli::Options;
use crate::text::Text;

/// The language of the system, which has none in its environment.
pub(crate) fn language() -> Option<String> {
    sys_locale::get_locale()
}

/// The data is beside the program if nobody says where: whoever clicks on it, or types its path, is in
/// no folder of its own.
pub(crate) fn placed(mut options: Options) -> Options {
    // What is wrong with the settings is told when they are loaded.
    let said = crate::load(&options);
    let is_said = said.is_ok_and(|(_, said)| said.origins.contains_key("data_dir"));
    let program = std::env::current_exe().ok().filter(|_| !is_said);
    if let Some(folder) = program.as_deref().and_then(Path::parent) {
        options.put("data_dir", &folder.join("ternmq-data"));
    }
    options
}

/// Lets the last line be read if we were started by a double click, which brings no arguments: Windows
/// closes the window when the program ends.
pub(crate) fn stay(text: Text) {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if std::env::args_os().len() > 1 || !stdin.is_terminal() || !stderr.is_terminal() {
        return;
    }
    let _ = writeln!(stderr, "\n{}", text.press_enter());
    // Whoever cannot read it does not want to.
    let _ = stdin.read_line(&mut String::new());
}
