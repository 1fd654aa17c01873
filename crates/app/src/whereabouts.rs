//! Where the broker is reached, as its supervisor is told: when it is ready, and again whenever that
//! has changed while it runs.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use broker::Handle;
use broker::admin::Admin;

use crate::banner;
use crate::supervisor::{Supervisor, Turn};

pub(crate) struct Whereabouts {
    supervisor: Supervisor,
    admin: Admin,
    /// The dashboard's own sockets, which stay as long as the process.
    dashboard: Vec<(String, SocketAddr)>,
    /// The line that was told last.
    told: Mutex<String>,
}

impl Whereabouts {
    pub(crate) fn new(supervisor: Supervisor, handle: &Handle) -> Self {
        let mut dashboard = handle.listeners();
        dashboard.retain(|(id, _)| id.starts_with("http:"));
        Self {
            supervisor,
            admin: handle.admin(),
            dashboard,
            told: Mutex::default(),
        }
    }

    fn line(&self) -> String {
        let running = self.admin.listeners().into_iter().flat_map(|listener| {
            let id = listener.id;
            let addresses = listener.addresses.into_iter();
            addresses.map(move |address| (id.clone(), address))
        });
        let all: Vec<_> = running.chain(self.dashboard.clone()).collect();
        banner::urls(&all)
    }

    /// The broker takes clients.
    pub(crate) fn ready(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = self.line();
        self.supervisor.tell(Turn::Ready(&told));
    }

    /// Settings were changed, and listeners may be among them.
    pub(crate) fn look(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let line = self.line();
        if *told != line {
            *told = line;
            self.supervisor.tell(Turn::Moved(&told));
        }
    }
}
