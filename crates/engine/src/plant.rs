//! Faults that can be planted, so that the simulator proves that it would find them.
//!
//! Only with the feature `plant`, which nothing that is built for use has; otherwise every question is
//! answered with a constant "no" and costs nothing.

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident)*) => {
        /// What is wrong, if it is planted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Fault { $($(#[$doc])* $fault),* }

        impl Fault {
            pub const ALL: &[Self] = &[$(Self::$fault),*];
        }
    };
}

faults! {
    /// PUBACK and PUBREC do not wait for the log.
    AckBeforeAppend
    /// An append that failed is acknowledged as if it had not.
    FailedAppendAcknowledged
    /// Acknowledgements leave as they are ready, not in the order of the PUBLISHes.
    AckOutOfOrder
    /// PUBCOMP leaves and the packet id stays known: the next message with it is swallowed.
    PubcompBeforeForget
    /// A QoS 2 PUBLISH that is known is routed again.
    DuplicateRouted
    /// A session that falls behind skips what it had no room for.
    CursorOverGap
    /// A subscription that is replaced by one of QoS 0 forgets what waits for it in the log.
    LoweredForgotten
    /// SUBACK does not wait for the other shards.
    SubackBeforeVisible
    /// SUBACK and UNSUBACK do not wait for the session's record.
    SubackBeforeSaved
    /// CONNACK does not wait for the records of session and will.
    ConnackBeforeSaved
    /// A QoS 2 PUBLISH does not wait until the store has its packet id.
    PublishBeforeBound
    /// PUBREL does not wait until the store knows that PUBREC came.
    PubrelBeforeSaved
    /// PUBCOMP does not wait until the log has forgotten the identity.
    PubcompBeforeReleased
    /// The cursor that is saved has passed messages that are in flight.
    CursorBeyondAcknowledged
    /// The record of a finished delivery is deleted before the cursor has passed it.
    DeliveryForgottenEarly
    /// The record of a will that was published stays.
    WillRecordKept
    /// The record of a will is deleted before the log has the message.
    WillRecordDeletedEarly
    /// A retained message is acknowledged and not saved.
    RetainedNotSaved
    /// The identities of a session that ends are not released.
    IdentityKept
    /// What a subscription is younger than is not saved.
    SinceForgotten
    /// After a restart a session knows the packet ids of an earlier one of its client.
    IdentityInherited
    /// No Local does not hold for what was published before a restart.
    PublisherForgotten
    /// A packet id that is in use is given again.
    IdReused
    /// Whoever comes back does not get again what was in flight.
    ReturnLosesInflight
    /// A message is sent again without DUP.
    DupForgotten
    /// The first retained message of a topic stays.
    RetainedNotReplaced
    /// What changed while retained messages are being sent is forgotten, and older ones follow.
    FreshForgotten
    /// An empty retained message does not clear.
    RetainedNotCleared
    /// The will is published although the client took its leave.
    WillAfterDisconnect
    /// A delayed will is published although the client came back.
    WillNotCancelled
    /// One message more than Receive Maximum is in flight.
    WindowTooLarge
    /// Messages go back to their publisher in spite of No Local.
    NoLocalIgnored
    /// What has expired is delivered.
    ExpiredDelivered
    /// A shared message is lost when the member that had it goes.
    SharedLost
    /// What waits for a slow client comes out in the wrong order.
    QueueReversed
    /// UNSUBSCRIBE is answered and nothing is deleted.
    UnsubscribeIgnored
    /// Clean Start finds the old session.
    CleanStartIgnored
    /// A session does not end.
    SessionForEver
    /// Silence is not noticed.
    KeepAliveIgnored
    /// A client whose socket has room again is not served.
    DrainedIgnored
    /// Other shards are told that nobody listens when one of several leaves.
    InterestForgotten
}

#[cfg(feature = "plant")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in the shards of this thread, or takes it out.
#[cfg(feature = "plant")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether a fault is planted.
#[cfg(feature = "plant")]
#[must_use]
pub fn on(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether a fault is planted: never.
#[cfg(not(feature = "plant"))]
#[inline(always)]
#[must_use]
pub const fn on(_fault: Fault) -> bool {
    false
}
