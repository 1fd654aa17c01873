//! What a run counted. One line of names and numbers, which `cargo xtask torture` adds up over
//! several runs; whatever is a fault must be 0.

use std::fmt;

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident $(/ $fault:ident)?,)*) => {
        #[derive(Clone, Default, Debug)]
        pub(crate) struct Tally { $($(#[$doc])* pub(crate) $name: u64,)* }

        impl Tally {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// How much is there that must not be.
            pub(crate) fn faults(&self) -> u64 {
                [$($(tally!(@value $fault self.$name),)?)*].iter().sum()
            }
        }

        impl fmt::Display for Tally {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$((stringify!($name), self.$name, false $(|| tally!(@due $fault self))?),)*];
                let told = all.iter().filter(|(_, n, must)| *n > 0 || *must);
                for (at, (name, n, _)) in told.enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {n}", name.replace('_', " "))?;
                }
                Ok(())
            }
        }
    };
    (@value $kind:ident $value:expr) => { $value };
    // What is told also where it is 0, by what the run was about.
    (@due fault $self:ident) => { $self.rounds > 0 };
    (@due harm $self:ident) => { $self.harms > 0 };
}

tally! {
    rounds,
    images,
    /// Syncs that were watched.
    syncs,
    /// Files that were cut or had a bit turned.
    harms,
    /// Records that a harm cost, as it may.
    missing,
    /// SUBACK, UNSUBACK, PUBACK, PUBREC, PUBCOMP received.
    acknowledged,
    /// Messages and subscriptions that are there once more though they had not to be.
    delivered,
    /// QoS 1 messages that came again, as they may.
    repeated,
    wills,
    /// Refused for want of room, where there was none.
    turned_away,
    retained,
    lost / fault,
    doubled / fault,
    out_of_order / fault,
    wrong_qos / fault,
    sessions_lost / fault,
    subscriptions_lost / fault,
    subscriptions_back / fault,
    retained_wrong / fault,
    wills_lost / fault,
    wills_unwanted / fault,
    refused / fault,
    /// Writes that came before a sync that they had to wait for.
    careless / fault,
    /// Harms that cost more than what they hit.
    lost_beside / harm,
    /// Harms of which the broker said nothing.
    untold / harm,
}
