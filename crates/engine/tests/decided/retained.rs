//! Retained messages while the store has no room.

use engine::policy::Policy;

use crate::world::{How, World};

/// A message that was replaced while the store had no room is acknowledged once the store has what took its
/// place, and not because it need not be stored itself.
#[test]
fn replaced_before_it_was_stored() {
    let mut world = World::new(Policy::default());
    let retain = How {
        qos: 1,
        id: 1,
        retain: true,
        ..How::default()
    };
    world.connect("old", 4, true);
    world.connect("new", 5, true);
    world.told("old");
    world.told("new");
    world.store.is_full = true;
    world.publish("old", "a", "1", retain);
    world.publish("new", "a", "2", retain);
    assert_eq!(world.told("new"), ["puback 97"]);
    world.pass(2000);
    assert_eq!(world.told("old"), [""; 0], "nothing is stored");
    world.store.is_full = false;
    world.pass(2000);
    assert_eq!(world.told("old"), ["puback 00"]);
    let stored: Vec<_> = world.store.records.keys().map(|(_, key)| &**key).collect();
    assert!(stored.contains(&b"a".as_slice()), "{stored:?}");
}
