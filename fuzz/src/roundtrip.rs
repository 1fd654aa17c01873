//! What decodes is encoded and decodes to the same; the first byte chooses the version.

use protocol::{Limits, Version, decode_from_server, frame};

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let version = [Version::V3_1, Version::V3_1_1, Version::V5][usize::from(choice % 3)];
    let limits = Limits::default();
    let Ok(Some(whole)) = frame(bytes, limits.packet_bytes_max) else {
        return;
    };
    let Ok(got) = decode_from_server(&whole, version, &limits) else {
        return;
    };
    let mut out = Vec::new();
    got.encode(version, &mut out);
    let again = frame(&out, u32::MAX)
        .expect("we wrote it")
        .expect("it is whole");
    assert_eq!(again.len, out.len());
    assert_eq!(decode_from_server(&again, version, &limits), Ok(got));
}
