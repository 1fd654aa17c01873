//! Bytes of a peer as a stream: framed and decoded for each version. A stream cut anywhere is
//! incomplete or wrong, never another packet.

use protocol::{Limits, Version, decode, decode_from_server, frame};

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

pub fn run(data: &[u8]) {
    let limits = Limits::default();
    let mut rest = data;
    while let Ok(Some(whole)) = frame(rest, limits.packet_bytes_max) {
        assert!(whole.len <= rest.len() && whole.body.len() < whole.len);
        for version in VERSIONS {
            if let Err(error) = decode(&whole, version, &limits) {
                assert!(error.reason().is_error() && !error.cause().is_empty());
            }
            // A broker reads no server's packets, bridges and tools do.
            let _ = decode_from_server(&whole, version, &limits);
        }
        for cut in [1, whole.len / 2, whole.len - 1] {
            if cut < whole.len {
                assert_eq!(frame(&rest[..cut], limits.packet_bytes_max), Ok(None));
            }
        }
        rest = &rest[whole.len..];
    }
}
