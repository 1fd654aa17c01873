//! What can go wrong in a run, and how often each did.

macro_rules! kinds {
    ($($kind:ident $text:literal)*) => {
        /// A kind of fault or of rough handling. The order is the index.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$kind, $text)),*];
        }
    };
}

kinds! {
    MailDelayed "mail between two shards delayed"
    MailInterleaved "mail of several shards interleaved"
    ShardStopped "a shard stands still"
    AppendDelayed "an append completes late"
    AppendFailed "an append fails"
    AppendFailedWritten "an append is said to fail but was written"
    TailDelayed "the log's tail reaches a shard late"
    ReadDelayed "a read of the log is carried out or answered late"
    LogTrimmed "the log is trimmed"
    PacketCut "a packet arrives in pieces"
    HalfPacket "a connection ends inside a packet"
    Cut "a connection is cut"
    CutOutPublish "cut: QoS 2 sent, no PUBREC yet"
    CutOutRelease "cut: PUBREC came, no PUBCOMP yet"
    CutInReceived "cut: QoS 2 received, no PUBREC sent"
    CutInRecorded "cut: PUBREC sent, no PUBREL yet"
    CutInAcknowledge "cut: QoS 1 received, no PUBACK sent"
    CutSubscribing "cut: SUBSCRIBE sent, no SUBACK yet"
    CutConnecting "cut: CONNECT sent, no CONNACK yet"
    Takeover "a second connection takes the session over"
    TakeoverMidHandshake "taken over inside a QoS 2 handshake"
    Kicked "the broker ends a connection"
    ShutDown "a shard ends all connections"
    Silence "a client says nothing until its keep-alive ends"
    NeverReads "a client stops reading"
    PartialWrite "a socket takes a part of what there is"
    AckLate "a client acknowledges late"
    Pipelined "packets follow CONNECT without waiting for CONNACK"
    ClockLeap "the clock leaps"
    SessionExpired "a session ends by its expiry"
    MessageExpired "a message expires before it is delivered"
    WillFired "a will is published"
    WillCancelled "a delayed will is cancelled by the client's return"
    Redelivered "a message is delivered again"
    QueueFull "a full queue drops its oldest"
    Crashed "the broker crashes and starts again"
    Closed "the broker is closed and starts again"
    RecordRefused "the store has no room for a record"
    Withheld "crash: CONNECT taken, no CONNACK yet"
    Held "a publisher is held back for a slow receiver"
}

#[derive(Clone, Debug)]
pub(crate) struct Counts(Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; Kind::ALL.len()])
    }
}

impl Counts {
    pub(crate) fn fired(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn add(&mut self, kind: Kind, n: u64) {
        self.0[kind as usize] += n;
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a += b;
        }
    }
}
