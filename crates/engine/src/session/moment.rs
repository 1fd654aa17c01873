//! A time in five bytes: its lowest 40 bits, of which another time that is not 17 years away makes it whole.

use crate::Time;

const BITS: u32 = 40;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Moment([u8; 5]);

impl Moment {
    pub(crate) fn new(time: Time) -> Self {
        let [_, _, _, low @ ..] = time.0.to_be_bytes();
        Self(low)
    }

    /// The time, which is near this one.
    pub(crate) fn near(self, other: Time) -> Time {
        let [a, b, c, d, e] = self.0;
        let low = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let turn = 1 << BITS;
        let after = low.wrapping_sub(other.0) & (turn - 1);
        if after < turn / 2 {
            Time(other.0.saturating_add(after))
        } else {
            Time(other.0.saturating_sub(turn - after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_whole_again() {
        const YEARS: u64 = 17 * 365 * 86_400_000;
        for other in [0, 1, 1 << BITS, 1_764_000_000_000, 3 << (BITS - 1)] {
            for apart in [0, 1, 99, 86_400_000, YEARS] {
                for time in [other + apart, other.saturating_sub(apart)] {
                    let moment = Moment::new(Time(time));
                    assert_eq!(moment.near(Time(other)), Time(time), "{other} {apart}");
                }
            }
        }
    }
}
