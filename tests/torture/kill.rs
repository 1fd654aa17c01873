//! `kill -9` at a random moment under load, and a new process on the same data, over and over.

use std::thread;

use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::tally::Tally;
use crate::wire::Broker;

/// What ends at the random moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// Every connection; the broker lives. What is lost now was never on a disk's account.
    Connections,
    Broker,
}

/// Round after round on one directory.
pub(crate) fn run(death: Death, seed: u64, rounds: u64, settings: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let mut broker = Broker::with(settings);
    let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
    for _ in 0..rounds {
        let address = broker.tcp;
        crowd.load(address, |_, dice, mortals| {
            thread::sleep(dice.millis(5..400));
            // The broker may be in the middle of a will, too.
            for _ in 0..dice.of(0..3) {
                mortals.cut(dice.of(0..6) as usize);
            }
            thread::sleep(dice.millis(0..3));
            if death == Death::Broker {
                broker.kill();
            }
        });
        if death == Death::Broker {
            broker.restart();
        }
        crowd.recover(broker.tcp);
    }
    crowd.end(broker.tcp)
}
