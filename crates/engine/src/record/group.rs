//! Where a shared group stands in the log, as it is kept.

use super::{Reader, bytes::put_number};

/// The form that is written; another first byte is another form.
const FORM: u8 = 2;

/// The record of [`super::Bucket::Group`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupRecord {
    /// Everything in the log up to here is done, but for what is open.
    pub(crate) cursor: u64,
    /// Positions up to the cursor that no member has finished, in order.
    pub(crate) open: Vec<u64>,
    /// Positions behind the cursor that are not for the group any more, in order.
    pub(crate) past: Vec<u64>,
}

impl GroupRecord {
    pub(crate) fn encode(&self) -> Box<[u8]> {
        let mut out = vec![FORM];
        put_number(&mut out, self.cursor);
        // Most are neighbours: a byte or two each.
        put_list(&mut out, self.open.iter().rev().map(|p| self.cursor - p));
        put_list(&mut out, self.past.iter().map(|p| p - self.cursor));
        out.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        if r.u8()? != FORM {
            return None;
        }
        let cursor: u64 = r.number()?;
        let mut open = Vec::new();
        list(&mut r, |distance| {
            open.push(cursor.checked_sub(distance)?);
            Some(())
        })?;
        open.reverse();
        let mut past = Vec::new();
        list(&mut r, |distance| {
            past.push(cursor.checked_add(distance)?);
            Some(())
        })?;
        Some(Self { cursor, open, past })
    }
}

/// Growing numbers as how many there are and the steps between them.
fn put_list(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = u64>) {
    put_number(out, numbers.len() as u64);
    let mut last = 0;
    for number in numbers {
        put_number(out, number - last);
        last = number;
    }
}

fn list(r: &mut Reader<'_>, mut each: impl FnMut(u64) -> Option<()>) -> Option<()> {
    let mut last = 0_u64;
    for _ in 0..r.number()? {
        last = last.checked_add(r.number()?)?;
        each(last)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_nothing_shorter() {
        let record = GroupRecord {
            cursor: 1 << 40,
            open: vec![1, 2, 1000, (1 << 40) - 1, 1 << 40],
            past: vec![(1 << 40) + 1, u64::MAX],
        };
        let bytes = record.encode();
        assert_eq!(GroupRecord::decode(&bytes), Some(record));
        for end in 0..bytes.len() {
            assert_eq!(GroupRecord::decode(&bytes[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn positions_that_cannot_be_are_refused() {
        let mut bytes = vec![FORM];
        bytes.extend([5, 1, 6, 0]);
        assert_eq!(GroupRecord::decode(&bytes), None);
    }
}
