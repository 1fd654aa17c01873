//! Hash tables that a crowd makes large: what it leaves behind is small again.

use hashbrown::HashTable;

/// Tables up to this size are not worth a look.
const SMALL: usize = 64;

/// To be called after a removal. A table that is nearly empty moves into a smaller one: not before an
/// eighth is left, so that it costs less than growing did, and is done seldom.
pub(crate) fn slim<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if is_oversized(table.len(), table.capacity()) {
        table.shrink_to(2 * table.len(), hash);
    }
}

/// Whether a list or table with room for `capacity` holds so little that it should shrink.
pub(crate) fn is_oversized(len: usize, capacity: usize) -> bool {
    capacity > SMALL && len < capacity / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_with_what_it_holds() {
        let mut table = HashTable::new();
        for n in 0..20_000_u64 {
            table.insert_unique(n << 32 | n, n, |n| n << 32 | n);
        }
        for n in 3..20_000_u64 {
            let found = table.find_entry(n << 32 | n, |other| *other == n);
            found.expect("it was put there").remove();
            slim(&mut table, |n| n << 32 | n);
        }
        assert_eq!(table.len(), 3);
        assert!(table.capacity() <= SMALL, "{}", table.capacity());
        assert!((0..3).all(|n: u64| table.find(n << 32 | n, |other| *other == n).is_some()));
    }
}
