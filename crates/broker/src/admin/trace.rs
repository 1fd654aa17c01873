//! Traces: what some clients, addresses or topics do, packet by packet.

use std::io;

pub use crate::observe::trace::{
    LENGTH, LineForm, Order, PayloadForm, State, TRACES_MAX, Target, Trace, TraceError,
};

use super::Admin;

impl Admin {
    /// All traces, those that ended included.
    #[must_use]
    pub fn traces(&self) -> Vec<Trace> {
        self.0.observed.traces.all(self.now_millis())
    }

    /// Begins a trace, now or when it is due.
    ///
    /// # Errors
    /// [`TraceError`]; nothing was made then.
    pub fn make_trace(&self, order: Order) -> Result<Trace, TraceError> {
        self.0.observed.traces.make(order, self.now_millis())
    }

    /// Ends a trace; its file stays. False if there is none of this name.
    #[must_use]
    pub fn stop_trace(&self, name: &str) -> bool {
        self.0.observed.traces.stop(name)
    }

    /// Deletes a trace with its file, or all; gives how many there were.
    ///
    /// # Errors
    /// If a file cannot be deleted; its trace stays.
    pub fn delete_traces(&self, name: Option<&str>) -> io::Result<usize> {
        self.0.observed.traces.delete(name)
    }

    /// At most `max` bytes of a trace's file from a place on; `None` if there is no such trace.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[must_use]
    pub fn trace_bytes(&self, name: &str, from: u64, max: u64) -> Option<io::Result<Vec<u8>>> {
        self.0.observed.traces.read(name, from, max)
    }
}
