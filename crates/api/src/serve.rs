//! Connections: accepts them, speaks HTTP/1.1 on each, and bounds what they may take. HTTP/2 is not
//! spoken: nothing here needs it, and its floods have no hold.

use std::{net::TcpListener, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::{App, door, route};

/// Connections at one time; they are apart from those of MQTT clients.
const CONNECTIONS_MAX: usize = 256;
/// Until a request's head must have come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What requests that are under way get at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// After an accept that failed, as without a free descriptor.
const REST: Duration = Duration::from_millis(100);

pub(crate) async fn serve(listeners: Vec<TcpListener>, app: App, stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let door = axum::middleware::from_fn_with_state(app.clone(), door::enter);
    let router = route::all().layer(door).with_state(app);
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                accepting.spawn(accept(
                    listener,
                    router.clone(),
                    room.clone(),
                    stopped.clone(),
                ));
            }
            Err(error) => tracing::error!("the dashboard cannot be served: {error}"),
        }
    }
    while accepting.join_next().await.is_some() {}
    // All permits are free when the last connection has ended.
    let everyone = u32::try_from(CONNECTIONS_MAX).expect("a small number");
    let _ = tokio::time::timeout(LAST_REQUESTS, room.acquire_many(everyone)).await;
}

async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    room: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        // Who comes when there is no room waits in the system's queue.
        let permit = room.clone().acquire_owned();
        let accepted = async { (permit.await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("the dashboard could not accept: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        if broker::files::is_last_for_dashboard(&stream) {
            // Closed at once, and not kept waiting: it would hold what the store may need.
            continue;
        }
        // A page leaves in several writes; without this the last of them waits for the peer's delayed
        // acknowledgement, 40 ms.
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(
            move |mut request: axum::http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            },
        );
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let mut connection = std::pin::pin!(connection);
            // A peer that breaks off is no news.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        });
    }
}
