//! Backups: made while everything runs, fetched, brought, given back. A backup passes through in pieces,
//! whatever its size.

use std::{
    fs::File,
    io::Read as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Extension, Multipart, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use broker::admin::{
    Accounts, Admin, Imported, NODE,
    backup::{Backup, BackupError, Secrets},
};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    account::is_record,
    door::{Caller, Kind},
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
    time::rfc3339,
};

/// Backups that are fetched at one time; each has a thread.
const DOWNLOADS_MAX: usize = 4;
static DOWNLOADS: std::sync::LazyLock<Arc<Semaphore>> =
    std::sync::LazyLock::new(|| Arc::new(Semaphore::new(DOWNLOADS_MAX)));

/// One piece of a backup on its way out, and how many of them wait.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 4;

pub(super) fn routes() -> OpenApiRouter<App> {
    // What is brought is bounded by the disk, and written as it comes.
    let bring = OpenApiRouter::new()
        .routes(routes!(list, bring))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(bring)
        .routes(routes!(export))
        .routes(routes!(fetch, delete))
        .routes(routes!(import))
        .routes(routes!(recovery))
}

/// A backup.
#[derive(Serialize, ToSchema)]
struct BackupFile {
    node: &'static str,
    #[schema(example = "ternmq-export-2026-01-01-12-34-56.789.export")]
    filename: String,
    created_at: String,
    created_at_sec: u64,
    /// Bytes.
    size: u64,
}

impl From<Backup> for BackupFile {
    fn from(backup: Backup) -> Self {
        Self {
            node: NODE,
            filename: backup.name,
            created_at: rfc3339(backup.created_millis),
            created_at_sec: backup.created_millis / 1000,
            size: backup.bytes,
        }
    }
}

impl From<BackupError> for Refusal {
    fn from(error: BackupError) -> Self {
        let words = error.to_string();
        let (status, code) = match error {
            BackupError::Unknown(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            BackupError::Busy | BackupError::TooMany => (StatusCode::CONFLICT, "CONFLICT"),
            BackupError::Taken(_) => (StatusCode::BAD_REQUEST, "ALREADY_EXISTS"),
            BackupError::Keep(error) => return error.into(),
            BackupError::Gone(gone) => return gone.into(),
            BackupError::Full | BackupError::NotKept => {
                (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE")
            }
            BackupError::Store(_) | BackupError::Io(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE")
            }
            _ => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        };
        Self::new(status, code, words)
    }
}

/// What is wanted in a backup.
#[derive(Default, Deserialize, ToSchema)]
struct ExportOrder {
    /// Passwords' hashes and API keys, too: only for a person who asks.
    #[serde(default)]
    secrets: bool,
}

/// Back everything up
///
/// As it is at one instant, while clients go on. Passwords and API keys are left out unless `secrets`
/// asks for them.
#[utoipa::path(
    post,
    path = "/data/export",
    tag = "Backups",
    request_body(content = Option<ExportOrder>, description = "May be left out."),
    responses(
        (status = 200, description = "The backup.", body = BackupFile),
        (status = 400, description = "The body is no such object.", body = ErrorBody),
        (status = 403, description = "An API key asked for secrets.", body = ErrorBody),
        (status = 409, description = "One is being made, or there are too many.", body = ErrorBody),
        (status = 503, description = "There is no room, or the disk fails.", body = ErrorBody),
    )
)]
async fn export(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<BackupFile>, Refusal> {
    let wanted: ExportOrder = if body.is_empty() {
        ExportOrder::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Refusal::bad_request(error.to_string()))?
    };
    let secrets = match (wanted.secrets, caller.kind) {
        (false, _) => Secrets::LeftOut,
        (true, Kind::Key) => return Err(no_secrets_for_keys()),
        (true, _) => Secrets::Included,
    };
    Ok(Json(app.admin.make_backup(secrets).await?.into()))
}

fn no_secrets_for_keys() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "API_KEY_NOT_ALLOW",
        "only a person who is signed in may have passwords and keys in a backup",
    )
}

/// The backups
#[utoipa::path(
    get,
    path = "/data/files",
    tag = "Backups",
    params(Paging),
    responses(
        (status = 200, description = "The newest first.", body = Page<BackupFile>),
        (status = 400, description = "No such page.", body = ErrorBody),
        (status = 503, description = "The disk fails.", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<BackupFile>>, Refusal> {
    let window = paging.window()?;
    let all = app.admin.backups()?;
    let count = all.len() as u64;
    let skip = usize::try_from(window.offset()).unwrap_or(usize::MAX);
    let take = usize::try_from(window.limit).unwrap_or(usize::MAX);
    Ok(Json(Page {
        data: all
            .into_iter()
            .skip(skip)
            .take(take)
            .map(BackupFile::from)
            .collect(),
        meta: Meta {
            page: window.page,
            limit: window.limit,
            count: Some(count),
            hasnext: window.offset().saturating_add(window.limit) < count,
        },
    }))
}

/// A form with one file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct BackupForm {
    /// The backup; the form names it.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    filename: String,
}

/// Bring a backup
///
/// What is no backup of ours is refused with its first bytes, what is not whole with its last.
#[utoipa::path(
    post,
    path = "/data/files",
    tag = "Backups",
    request_body(content = inline(BackupForm), content_type = "multipart/form-data"),
    responses(
        (status = 204, description = "It is there."),
        (status = 400, description = "No backup, not whole, or a name that is taken or none.", body = ErrorBody),
        (status = 409, description = "Another one is being made or brought, or there are too many.", body = ErrorBody),
        (status = 503, description = "There is no room, or the disk fails.", body = ErrorBody),
    )
)]
async fn bring(State(app): State<App>, mut form: Multipart) -> Result<StatusCode, Refusal> {
    let cut_off = |error: axum::extract::multipart::MultipartError| {
        Refusal::bad_request(format!("the form is malformed or was cut off: {error}"))
    };
    while let Some(mut field) = form.next_field().await.map_err(cut_off)? {
        if field.name() != Some("filename") {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_owned();
        let mut incoming = app.admin.receive_backup(&name)?;
        while let Some(piece) = field.chunk().await.map_err(cut_off)? {
            incoming.add(&piece).await?;
        }
        incoming.end().await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::bad_request("the form has no file named filename"))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Node {
    /// Of a cluster; this one.
    #[serde(rename = "node")]
    #[allow(dead_code, reason = "there is one node")]
    _node: Option<String>,
}

/// Fetch a backup
#[utoipa::path(
    get,
    path = "/data/files/{filename}",
    tag = "Backups",
    params(("filename" = String, Path, description = "Of the list."), Node),
    responses(
        (status = 200, description = "The backup.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "Several are being fetched.", body = ErrorBody),
        (status = 503, description = "The disk fails.", body = ErrorBody),
    )
)]
async fn fetch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(filename): Path<String>,
    Query(_): Query<Node>,
) -> Result<Response, Refusal> {
    if caller.kind == Kind::Key && Admin::may_have_secrets(&filename) {
        return Err(no_secrets_for_keys());
    }
    let (backup, file) = app.admin.open_backup(&filename)?;
    let Ok(permit) = DOWNLOADS.clone().try_acquire_owned() else {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            format!("{DOWNLOADS_MAX} backups are being fetched; wait for one"),
        ));
    };
    let pieces = read(file, permit).map_err(BackupError::from)?;
    // A name has nothing in it that would have to be quoted.
    let disposition = format!("attachment; filename=\"{}\"", backup.name);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, backup.bytes.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::new(pieces)).into_response())
}

/// A file on its way out.
struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

fn read(mut file: File, permit: OwnedSemaphorePermit) -> std::io::Result<Pieces> {
    let (to, pieces) = mpsc::channel(PIECES_MAX);
    let thread = std::thread::Builder::new().name("backup-out".to_owned());
    thread.spawn(move || {
        let _permit = permit;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece);
            let piece = match read {
                Ok(0) => return,
                Ok(_) => Ok(piece.into()),
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            // Who fetched it may have gone.
            if to.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    })?;
    Ok(Pieces(pieces))
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let piece = ready!(self.0.poll_recv(context));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Delete a backup
#[utoipa::path(
    delete,
    path = "/data/files/{filename}",
    tag = "Backups",
    params(("filename" = String, Path, description = "Of the list."), Node),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 503, description = "The disk fails.", body = ErrorBody),
    )
)]
async fn delete(
    State(app): State<App>,
    Path(filename): Path<String>,
    Query(_): Query<Node>,
) -> Result<StatusCode, Refusal> {
    app.admin.delete_backup(&filename)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What to give back.
#[derive(Deserialize, ToSchema)]
struct ImportOrder {
    filename: String,
    /// Tell what was taken and what was not.
    #[serde(default)]
    report: bool,
}

/// What became of a backup.
#[derive(Serialize, ToSchema)]
struct ImportReport {
    /// Records that were taken, by kind.
    imported: std::collections::BTreeMap<&'static str, u64>,
    /// What comes back only with the broker stopped, by `ternmq store import` into an empty data
    /// directory: sessions and messages that wait for them.
    left_out: std::collections::BTreeMap<String, u64>,
    /// Retained messages that have expired, or for which there is no room by the settings.
    refused: u64,
}

impl From<Imported> for ImportReport {
    fn from(imported: Imported) -> Self {
        Self {
            imported: imported.taken,
            left_out: imported.left,
            refused: imported.refused,
        }
    }
}

/// Give a backup back
///
/// Settings, bans and other decisions, retained messages and, if a person asks and the backup has them,
/// users and API keys. What is there and not in the backup stays. Sessions and messages that wait for
/// them come back only with the broker stopped, by `ternmq store import`. If anything in it cannot be
/// used, nothing is changed.
#[utoipa::path(
    post,
    path = "/data/import",
    tag = "Backups",
    request_body = ImportOrder,
    responses(
        (status = 200, description = "What was taken, if `report` asks for that.", body = ImportReport),
        (status = 204, description = "It was taken."),
        (status = 400, description = "It is not whole, or has what cannot be used.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "Another one is being made, brought or given back.", body = ErrorBody),
        (status = 503, description = "The disk fails.", body = ErrorBody),
    )
)]
async fn import(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(back): Json<ImportOrder>,
) -> Result<Response, Refusal> {
    // Keys manage no accounts, by this way neither.
    let accounts = match caller.kind {
        Kind::Key => Accounts::LeftOut,
        Kind::User | Kind::Owner => Accounts::Taken(is_record),
    };
    let imported = app.admin.import_backup(&back.filename, accounts).await?;
    app.accounts.reload().await?;
    if back.report {
        return Ok(Json(ImportReport::from(imported)).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the start found
///
/// How the store had been left, what was found damaged, and what became of it.
#[utoipa::path(
    get,
    path = "/data/recovery",
    tag = "Backups",
    responses((status = 200, description = "As of the last start.", body = RecoveryReport))
)]
async fn recovery(State(app): State<App>) -> Json<RecoveryReport> {
    let found = app.admin.recovery();
    Json(RecoveryReport {
        is_new: !found.existed,
        closed: found.closed,
        files: found.files,
        bytes: found.bytes,
        messages: found.messages,
        keys: found.keys,
        dropped_bytes: found.torn_bytes,
        damage: found.damage,
        took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// What opening the store found.
#[derive(Serialize, ToSchema)]
struct RecoveryReport {
    /// There was none.
    is_new: bool,
    /// It had been closed in order.
    closed: bool,
    files: u64,
    bytes: u64,
    /// That wait for sessions.
    messages: u64,
    keys: u64,
    /// Written half when the broker was cut off; nobody was told that they were safe.
    dropped_bytes: u64,
    /// What was not as it was written, a line each.
    damage: Vec<String>,
    took_ms: u64,
}
