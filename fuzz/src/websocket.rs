//! The bytes of a WebSocket client: whatever pieces they come in, the same payload and the same end.
//! The first byte chooses the size of the pieces.

use broker::transport::{
    http::{Ports, looks_like_http, looks_like_tls},
    websocket::{Close, Deframer, upgrade},
};

pub fn run(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let _ = (looks_like_http(bytes), looks_like_tls(bytes));
    if let Ok(Some(upgrade)) = upgrade(bytes, &Ports::default(), &[]) {
        assert!(upgrade.consumed <= bytes.len() && !upgrade.response.is_empty());
    }
    let whole = deframe(bytes, bytes.len().max(1));
    let pieces = deframe(bytes, usize::from(*size).max(1));
    assert_eq!(whole, pieces);
    assert!(whole.0.len() <= bytes.len());
}

/// Payload, replies and end.
fn deframe(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, Option<Close>) {
    let mut deframer = Deframer::default();
    let (mut payload, mut replies) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let progress = deframer.feed(&mut piece, &mut replies);
        payload.extend_from_slice(&piece[..progress.payload]);
        if progress.close.is_some() {
            return (payload, replies, progress.close);
        }
    }
    (payload, replies, None)
}
