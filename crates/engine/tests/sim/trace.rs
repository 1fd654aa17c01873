//! What happened, in words, for the run that is looked at.

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) on: bool,
    pub(crate) lines: Vec<String>,
}

impl Trace {
    pub(crate) fn line(&mut self, text: impl FnOnce() -> String) {
        if self.on {
            self.lines.push(text());
        }
    }
}
