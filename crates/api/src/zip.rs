//! A zip archive of one file, as it is: EMQX's tools expect traces in one.

/// CRC-32 of each byte, with the polynomial that zip uses.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    let mut begin = 0;
    while byte < 256 {
        let mut sum: u32 = begin;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                (sum >> 1) ^ 0xEDB8_8320
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
        begin += 1;
    }
    table
};

/// Version 1.0 of the format is enough for a file that is stored.
const VERSION: u16 = 10;
/// 1980-01-01, the first day that the format has: when it was packed is nobody's concern.
const DAY: u16 = 0x21;

/// The archive. `content` is less than 4 GB, the name less than 64 KB.
pub(crate) fn of(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("files here are bounded");
    let length = u16::try_from(name.len()).expect("names here are bounded");
    let mut about = Vec::new();
    for two in [VERSION, 0, 0, 0, DAY] {
        about.extend_from_slice(&two.to_le_bytes());
    }
    for four in [crc32(content), size, size] {
        about.extend_from_slice(&four.to_le_bytes());
    }
    about.extend_from_slice(&length.to_le_bytes());
    about.extend_from_slice(&[0; 2]);

    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend_from_slice(&about);
    zip.extend_from_slice(name.as_bytes());
    zip.extend_from_slice(content);
    let directory = u32::try_from(zip.len()).expect("files here are bounded");

    zip.extend_from_slice(b"PK\x01\x02");
    zip.extend_from_slice(&VERSION.to_le_bytes());
    zip.extend_from_slice(&about);
    // No comment, the first disk, no attributes; the file begins the archive.
    zip.extend_from_slice(&[0; 14]);
    zip.extend_from_slice(name.as_bytes());
    let end = u32::try_from(zip.len()).expect("files here are bounded");

    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    for four in [end - directory, directory] {
        zip.extend_from_slice(&four.to_le_bytes());
    }
    zip.extend_from_slice(&[0; 2]);
    zip
}

fn crc32(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        (sum >> 8) ^ TABLE[usize::from(low ^ byte)]
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_format() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn an_archive_names_its_file_twice_and_points_at_its_directory() {
        let zip = of("a.log", b"hello");
        assert_eq!(zip.len(), 30 + 5 + 5 + 46 + 5 + 22);
        let directory: u8 = 30 + 5 + 5;
        assert_eq!(&zip[30..35], b"a.log");
        assert_eq!(&zip[35..40], b"hello");
        assert_eq!(&zip[40..44], b"PK\x01\x02");
        let end = zip.len() - 22;
        assert_eq!(zip[end + 16..end + 20], u32::from(directory).to_le_bytes());
    }
}
