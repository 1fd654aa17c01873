//! How often a password may be guessed: by address, by user and by all together. Each guess costs a
//! token before it is looked at; who was right gets it back. Delays end by themselves: nobody is ever
//! locked out, and somebody at this machine waits for nobody else's guesses.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// Wrong guesses at once, then one in [`ADDRESS_STEP`]: not more than ten in the first minute.
const ADDRESS_BURST: u64 = 5;
const ADDRESS_STEP: u64 = 12_000;
/// Of one user, from wherever.
const USER_BURST: u64 = 20;
const USER_STEP: u64 = 4_000;
/// Of all together: five a second take a tenth of a core.
const ALL_BURST: u64 = 100;
const ALL_STEP: u64 = 200;
/// With each this many wrong guesses without a right one, an address waits twice as long.
const DOUBLES_AFTER: u32 = 10;
const DOUBLES_MAX: u32 = 4;
/// Addresses and users that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Addresses from which users have signed in.
const KNOWN_MAX: usize = 1_000;

/// Until the next guess, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) u64);

/// A bucket that is full again at `full_at`: so old ones need no timer.
#[derive(Clone, Copy, Default)]
struct Bucket {
    full_at: u64,
    /// Wrong guesses since the last right one.
    wrong: u32,
}

impl Bucket {
    /// How long until there is a token.
    fn wait(self, now: u64, burst: u64, step: u64) -> u64 {
        let room = (burst - 1) * step;
        self.full_at.saturating_sub(now).saturating_sub(room)
    }

    fn take(&mut self, now: u64, step: u64) {
        self.full_at = self.full_at.max(now) + step;
        self.wrong = self.wrong.saturating_add(1);
    }

    fn give_back(&mut self, step: u64) {
        self.full_at = self.full_at.saturating_sub(step);
        self.wrong = self.wrong.saturating_sub(1);
    }
}

#[derive(Default)]
pub(crate) struct Throttle {
    addresses: HashMap<IpAddr, Bucket>,
    /// Known users and others alike: a difference would tell them apart.
    users: HashMap<String, Bucket>,
    all: Bucket,
    /// Where a user has signed in, so that guesses from elsewhere do not hold that up.
    known: HashMap<(IpAddr, String), u64>,
}

/// A guess that was let through.
#[derive(Debug)]
pub(crate) struct Guess {
    address: IpAddr,
    user: String,
    step: u64,
    /// Others' guesses do not count for it, nor its own for others.
    apart: bool,
}

impl Throttle {
    /// Lets a guess through, or says how long to wait. `now` is in milliseconds.
    pub(crate) fn enter(&mut self, from: IpAddr, user: &str, now: u64) -> Result<Guess, Wait> {
        let address = network(from);
        // Exactly the address of a person at this machine: the other 16 million of 127/8 are none.
        let here = is_here(from);
        let apart = here || self.known.contains_key(&(address, user.to_owned()));
        let own = self.addresses.get(&address).copied().unwrap_or_default();
        let doubled = if here {
            0
        } else {
            (own.wrong / DOUBLES_AFTER).min(DOUBLES_MAX)
        };
        let step = ADDRESS_STEP << doubled;
        let mut wait = own.wait(now, ADDRESS_BURST, ADDRESS_STEP);
        if !apart {
            let user = self.users.get(user).copied().unwrap_or_default();
            wait = wait
                .max(user.wait(now, USER_BURST, USER_STEP))
                .max(self.all.wait(now, ALL_BURST, ALL_STEP));
        }
        if wait > 0 {
            return Err(Wait(wait.div_ceil(1000)));
        }
        make_room(&mut self.addresses, now);
        make_room(&mut self.users, now);
        self.addresses.entry(address).or_default().take(now, step);
        if !apart {
            let bucket = self.users.entry(user.to_owned()).or_default();
            bucket.take(now, USER_STEP);
            self.all.take(now, ALL_STEP);
        }
        Ok(Guess {
            address,
            user: user.to_owned(),
            step,
            apart,
        })
    }

    /// It was right: nothing was guessed.
    pub(crate) fn right(&mut self, guess: Guess, now: u64) {
        self.unseen(&guess);
        if let Some(bucket) = self.addresses.get_mut(&guess.address) {
            bucket.wrong = 0;
        }
        if self.known.len() >= KNOWN_MAX {
            let oldest = self.known.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert((guess.address, guess.user), now);
    }

    /// It was not looked at: nobody had the time.
    pub(crate) fn unseen(&mut self, guess: &Guess) {
        if let Some(bucket) = self.addresses.get_mut(&guess.address) {
            bucket.give_back(guess.step);
        }
        if !guess.apart {
            if let Some(bucket) = self.users.get_mut(&guess.user) {
                bucket.give_back(USER_STEP);
            }
            self.all.give_back(ALL_STEP);
        }
    }
}

/// Whether it is the address of somebody at this machine.
pub(crate) fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address == std::net::Ipv4Addr::LOCALHOST || address == std::net::Ipv6Addr::LOCALHOST
}

/// One address, or all 2^64 that an IPv6 host can take for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Forgets those that may guess again as if they never had; if there is none, any.
fn make_room<K: Clone + Eq + Hash>(buckets: &mut HashMap<K, Bucket>, now: u64) {
    if buckets.len() < REMEMBERED_MAX {
        return;
    }
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() < REMEMBERED_MAX {
        return;
    }
    let soonest = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at);
    if let Some(soonest) = soonest.map(|(key, _)| key.clone()) {
        buckets.remove(&soonest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Guesses that get through when somebody never stops.
    fn guesses(throttle: &mut Throttle, from: &[IpAddr], user: &str, millis: u64) -> usize {
        let mut through = 0;
        for now in (0..millis).step_by(6) {
            let from = from[usize::try_from(now / 6).unwrap() % from.len()];
            through += usize::from(throttle.enter(from, user, now).is_ok());
        }
        through
    }

    #[test]
    fn one_address_gets_ten_in_a_minute() {
        for from in ["127.0.0.1", "192.168.1.7", "2001:db8::1"] {
            let mut throttle = Throttle::default();
            let through = guesses(&mut throttle, &[ip(from)], "admin", MINUTE);
            assert!((5..=10).contains(&through), "{from}: {through}");
        }
        let neighbours = [ip("2001:db8::1"), ip("2001:db8::2")];
        assert!(guesses(&mut Throttle::default(), &neighbours, "admin", MINUTE) <= 10);
    }

    #[test]
    fn many_addresses_get_few_and_hold_up_nobody_here() {
        let many: Vec<IpAddr> = (0..1000u32)
            .map(|n| IpAddr::V4((0x0a00_0000 + n).into()))
            .collect();
        let mut throttle = Throttle::default();
        let flood = MINUTE + 2_000;
        let through = guesses(&mut throttle, &many, "admin", flood);
        assert!((20..=40).contains(&through), "{through}");
        assert!(throttle.enter(ip("10.9.9.9"), "admin", flood).is_err());
        assert!(throttle.enter(ip("127.0.0.1"), "admin", flood).is_ok());
        assert!(throttle.enter(ip("::1"), "admin", flood).is_ok());
    }

    #[test]
    fn where_a_user_signed_in_before_is_not_held_up() {
        let mut throttle = Throttle::default();
        let desk = ip("192.168.1.20");
        let guess = throttle.enter(desk, "admin", 0).unwrap();
        throttle.right(guess, 0);
        let many: Vec<IpAddr> = (0..1000u32)
            .map(|n| IpAddr::V4((0x0a00_0000 + n).into()))
            .collect();
        guesses(&mut throttle, &many, "admin", MINUTE);
        assert!(throttle.enter(desk, "admin", MINUTE).is_ok());
        assert!(throttle.enter(desk, "other", MINUTE).is_ok());
    }

    #[test]
    fn who_is_right_is_never_slowed() {
        let mut throttle = Throttle::default();
        for now in 0..100 {
            let guess = throttle.enter(ip("10.0.0.1"), "admin", now).unwrap();
            throttle.right(guess, now);
        }
        let guess = throttle.enter(ip("10.0.0.1"), "admin", 100).unwrap();
        throttle.unseen(&guess);
    }

    #[test]
    fn delays_grow_and_end() {
        for (from, due) in [("10.0.0.1", 15..=60), ("127.0.0.1", 290..=310)] {
            let from = ip(from);
            let mut throttle = Throttle::default();
            // Not a whole number of steps: a token would just be there.
            let hour = 60 * MINUTE + 5_000;
            // From here they do not grow.
            let through = guesses(&mut throttle, &[from], "admin", hour);
            assert!(due.contains(&through), "{from}: {through}");
            let at = hour + 1;
            let wait = throttle.enter(from, "admin", at).map_err(|Wait(secs)| secs);
            let secs = wait.expect_err("it has just guessed");
            assert!(secs <= 192, "{secs}");
            assert!(throttle.enter(from, "admin", at + secs * 1000).is_ok());
        }
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut throttle = Throttle::default();
        for n in 0..30_000u32 {
            let from = IpAddr::V4(n.into());
            let _ = throttle.enter(from, &n.to_string(), 200 * u64::from(n));
        }
        assert!(throttle.addresses.len() <= REMEMBERED_MAX);
        assert!(throttle.users.len() <= REMEMBERED_MAX);
    }
}
