//! The power cut: the broker's disk is copied at a random moment under load, and a broker started
//! on the copy owes everything that the first one had acknowledged until then.

use std::thread;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::image::Image;
use crate::tally::Tally;
use crate::wire::{Broker, begin, freeze};

/// Cuts in one load, and loads on one file system: new files are what is lost most easily.
const CUTS: u64 = 4;
const LOADS: u64 = 3;

/// The time between two syncs of a broker that syncs only now and then.
const INTERVAL_MILLIS: u64 = 100;

/// Takes at most so many copies, until one shows a fault: of a broker that has one.
pub(crate) fn find(seed: u64, images: u64, settings: &[&str]) -> Tally {
    let mut tally = Tally::default();
    while tally.faults() == 0 && tally.images < images {
        tally.add(&run(seed + tally.images, CUTS, settings));
    }
    tally
}

/// Takes this many copies, and judges each.
pub(crate) fn run(seed: u64, images: u64, settings: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    while tally.images < images {
        let image = Image::new(64 << 20);
        let data = image.dir().join("data");
        let mut broker = Broker::on(&data, settings);
        let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
        for _ in 0..LOADS {
            let address = broker.tcp;
            let cuts = crowd.load(address, |crowd, dice, _| {
                let mut cuts = Tally::default();
                for _ in 0..CUTS.min(images.saturating_sub(tally.images)) {
                    thread::sleep(dice.millis(1..60));
                    broker.stop();
                    let mut then = crowd.snapshot();
                    let copy = image.cut();
                    let revived = Broker::on(&copy.dir().join("data"), settings);
                    then.recover(revived.tcp);
                    cuts.add(&then.count());
                    cuts.images += 1;
                    broker.signal("CONT");
                }
                cuts
            });
            tally.add(&cuts);
            if tally.images >= images {
                break;
            }
            broker.kill_and_restart();
            crowd.recover(broker.tcp);
        }
        tally.add(&crowd.count());
    }
    tally
}

/// Cuts while a broker starts, after it was killed under load: what it mends, syncs and writes anew
/// at its start takes nothing away. The same broker starts again and again, each time a bit further.
pub(crate) fn starting(seed: u64, images: u64, settings: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    while tally.images < images {
        let image = Image::new(64 << 20);
        let data = image.dir().join("data");
        let mut broker = Broker::on(&data, settings);
        let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
        for _ in 0..LOADS {
            crowd.load(broker.tcp, |_, dice, _| {
                thread::sleep(dice.millis(5..200));
                broker.kill();
            });
            crowd.hang_up();
            for _ in 0..CUTS.min(images.saturating_sub(tally.images)) {
                let mut start = begin(&data, settings);
                thread::sleep(dice.millis(0..40));
                freeze(start.id());
                let mut then = crowd.snapshot();
                let copy = image.cut();
                start.kill().unwrap();
                start.wait().unwrap();
                let revived = Broker::on(&copy.dir().join("data"), settings);
                then.recover(revived.tcp);
                tally.add(&then.count());
                tally.images += 1;
            }
            broker.restart();
            crowd.recover(broker.tcp);
        }
        tally.add(&crowd.count());
    }
    tally
}

/// Cuts of a broker with `durability = interval`, when everybody has been silent for longer than
/// that: then everything that was acknowledged is safe.
pub(crate) fn rested(seed: u64, images: u64) -> Tally {
    let interval = format!("store.sync_interval={INTERVAL_MILLIS}ms");
    let settings = ["durability=interval", &interval];
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    let image = Image::new(64 << 20);
    let broker = Broker::on(&image.dir().join("data"), &settings);
    let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
    while tally.images < images {
        crowd.load(broker.tcp, |_, dice, _| thread::sleep(dice.millis(5..200)));
        // Time is what is tested; a sync of a busy disk takes some, too.
        thread::sleep(Duration::from_millis(5 * INTERVAL_MILLIS));
        broker.stop();
        let mut then = crowd.snapshot();
        let copy = image.cut();
        broker.signal("CONT");
        let revived = Broker::on(&copy.dir().join("data"), &settings);
        then.recover(revived.tcp);
        tally.add(&then.count());
        tally.images += 1;
        crowd.recover(broker.tcp);
    }
    tally.add(&crowd.count());
    tally
}
