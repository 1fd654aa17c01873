//! What shards say to each other, and what each does with it. One batch per target and pass.

use std::sync::Arc;

use protocol::{Filter, QoS};

use super::{Batch, Shard, Sink, store::Stored};
use crate::{Message, SessionRef, Time, acl::Guard, retained::Cursor, router::Change};

/// A letter from one shard to another. Letters between two shards keep their order.
#[derive(Debug)]
pub enum Mail {
    /// Messages for receivers that are served at once.
    Batch(Box<Batch>),
    /// One such message that somebody else keeps too, or a large one.
    Publish(Arc<Message>),
    Interest {
        number: u64,
        change: Change,
    },
    /// Everything that was said before is to be followed by a [`Mail::Post`], to every shard.
    Fence {
        session: SessionRef,
        number: u64,
    },
    /// Everything that the sender said before has come; answered to the session's shard.
    Post {
        session: SessionRef,
        number: u64,
    },
    Fenced {
        session: SessionRef,
        number: u64,
    },
    /// All announcements up to this number are in force here.
    Followed {
        number: u64,
    },
    /// Store or clear a retained message of a topic that the receiving shard owns.
    /// A token of the sender's comes with it if somebody waits for it to be stored, else 0.
    Retain(Arc<Message>, u64),
    /// Try to store a retained message again, if it is still its topic's; the token is answered.
    RetainAgain(Arc<Message>, u64),
    /// What became of that which was handed over under that token.
    Kept {
        token: u64,
        outcome: Stored,
    },
    /// Look through retained messages for a subscriber.
    Scan {
        session: SessionRef,
        /// Comes back with the answer.
        number: u64,
        filter: Box<str>,
        cursor: Cursor,
    },
    Found {
        session: SessionRef,
        number: u64,
        messages: Vec<Arc<Message>>,
        next: Option<Cursor>,
    },
    /// A member joins (or returns to, or changes its options in) a shared group.
    Join(Box<Join>),
    /// The group's home has made the member's subscription visible.
    Joined {
        session: SessionRef,
        ticket: u64,
    },
    /// Whether some of what a group gets may be denied to a member.
    Guard {
        group: Box<str>,
        filter: Box<str>,
        member: SessionRef,
        guard: Option<Arc<Guard>>,
    },
    Leave {
        group: Box<str>,
        filter: Box<str>,
        member: SessionRef,
    },
    /// The member's client is away; its session stays.
    Away {
        group: Box<str>,
        filter: Box<str>,
        member: SessionRef,
    },
    /// The member could not take it.
    Back {
        group: u32,
        member: SessionRef,
        message: Arc<Message>,
        /// Where it stands in the log, 0 if the group has it from elsewhere.
        position: u64,
    },
    /// A receiver is behind: read no further from this publisher before that time.
    Hold {
        publisher: SessionRef,
        until: Time,
    },
    /// The member finished with so many.
    Settled {
        group: u32,
        member: SessionRef,
        n: u32,
    },
    /// The member finished with these messages of the log.
    Finished {
        group: u32,
        member: SessionRef,
        positions: Vec<u64>,
    },
    /// The group reads the log from now on: who routes is to say from where.
    Switch {
        group: u32,
    },
    /// What the sender routed after this token is in the log; what it routed before came live.
    Switched {
        group: u32,
        token: u64,
    },
    /// The store knows a delivery of this message by a number of its client's: no other member gets it.
    Bound {
        group: Box<str>,
        filter: Box<str>,
        position: u64,
        client: Box<str>,
        number: u64,
    },
    /// The store knows that the group is done with what was bound under this number.
    Parted {
        client: Box<str>,
        number: u64,
    },
}

impl Mail {
    /// What it weighs in a mailbox.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Batch(batch) => batch.bytes(),
                Self::Publish(message)
                | Self::Retain(message, _)
                | Self::RetainAgain(message, _)
                | Self::Back { message, .. } => message.bytes(),
                _ => 0,
            }
    }
}

/// A request to be a member of a shared group.
#[derive(Debug)]
pub struct Join {
    pub(crate) group: Box<str>,
    pub(crate) filter: Box<str>,
    pub(crate) label: u64,
    pub(crate) member: SessionRef,
    pub(crate) qos: QoS,
    pub(crate) as_published: bool,
    pub(crate) id: u32,
    pub(crate) window: u16,
    pub(crate) ticket: u64,
    /// Its session outlives its connection.
    pub(crate) lasting: bool,
    /// Who asks, where some of what the group gets may be denied to it.
    pub(crate) guard: Option<Arc<Guard>>,
}

impl Shard {
    /// Mail from another shard (or this one).
    pub fn inbox(&mut self, now: Time, from: u16, letters: Vec<Mail>, sink: &mut impl Sink) {
        self.now = now;
        let mut followed = None;
        for letter in letters {
            match letter {
                Mail::Batch(batch) => self.on_batch(from, batch, sink),
                Mail::Publish(message) => self.deliver_here(from, &message, sink),
                Mail::Interest { number, change } => {
                    self.router.apply(from, &change);
                    followed = Some(number);
                }
                Mail::Fence { session, number } => {
                    for to in 0..self.count {
                        self.mail(to, Mail::Post { session, number });
                    }
                }
                Mail::Post { session, number } => {
                    self.mail(session.shard, Mail::Fenced { session, number });
                }
                Mail::Fenced { session, number } => self.on_fenced(session, number, sink),
                Mail::Followed { number } => self.on_followed(from, number, sink),
                Mail::Retain(message, token) => self.on_retain(from, &message, token, sink),
                Mail::RetainAgain(message, token) => {
                    self.on_retain_again(from, &message, token, sink);
                }
                Mail::Kept { token, outcome } => self.store_answered(token, outcome, sink),
                Mail::Scan {
                    session,
                    number,
                    filter,
                    cursor,
                } => {
                    self.on_scan(session, number, Filter::trusted(&filter), &cursor);
                }
                Mail::Found {
                    session,
                    number,
                    messages,
                    next,
                } => {
                    self.on_found(session, number, messages, next, sink);
                }
                Mail::Join(join) => self.on_join(*join, sink),
                Mail::Joined { session, ticket } => self.on_joined(session, ticket, sink),
                Mail::Guard {
                    group,
                    filter,
                    member,
                    guard,
                } => self.on_guard(&group, &filter, member, guard),
                Mail::Leave {
                    group,
                    filter,
                    member,
                } => {
                    self.on_leave(&group, &filter, member, sink);
                }
                Mail::Away {
                    group,
                    filter,
                    member,
                } => self.on_away(&group, &filter, member, sink),
                Mail::Back {
                    group,
                    member,
                    message,
                    position,
                } => {
                    self.on_back(group, member, message, position, sink);
                }
                Mail::Hold { publisher, until } => self.note_hold(publisher, until),
                Mail::Settled { group, member, n } => self.on_settled(group, member, n, sink),
                Mail::Finished {
                    group,
                    member,
                    positions,
                } => self.on_finished(group, member, &positions, sink),
                Mail::Switch { group } => {
                    let token = self.next_token;
                    self.mail(from, Mail::Switched { group, token });
                }
                Mail::Switched { group, token } => self.on_switched(group, from, token, sink),
                Mail::Bound {
                    group,
                    filter,
                    position,
                    client,
                    number,
                } => self.on_bound(from, (&group, &filter), position, client, number),
                Mail::Parted { client, number } => self.on_parted(&client, number),
            }
        }
        if let Some(number) = followed {
            self.mail(from, Mail::Followed { number });
        }
    }
}
