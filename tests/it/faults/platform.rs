//! What the platform may do wrong with an event.

use super::api::{ERROR, RESPONSE};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Platform {
    Well,
    /// Nobody listens when the event is asked for.
    RefusesNext,
    ResetsNext,
    /// Hands the event over, and takes the reply, in many pieces.
    Slow,
    FailsNext,
    /// Closes the connection after each answer, without a word about it.
    ClosesAlways,
    /// Closes in the middle of the event, and hands it out again.
    CutsNext,
    /// Hands the event out again although it has been answered.
    HandsTwice,
    /// Nobody listens when the reply is posted.
    RefusesReply,
    /// Takes the reply and resets the connection instead of saying so.
    TakesAndResets,
    /// Does not take the reply: 413.
    RejectsReply,
    FailsReply,
}

impl Platform {
    pub(super) const ALL: [Self; 12] = [
        Self::Well,
        Self::RefusesNext,
        Self::ResetsNext,
        Self::Slow,
        Self::FailsNext,
        Self::ClosesAlways,
        Self::CutsNext,
        Self::HandsTwice,
        Self::RefusesReply,
        Self::TakesAndResets,
        Self::RejectsReply,
        Self::FailsReply,
    ];

    /// What is posted for one event. A reply of which nobody said that it was taken is posted again; all are the same.
    pub(super) fn posts(self) -> &'static [&'static str] {
        match self {
            Self::HandsTwice | Self::TakesAndResets | Self::FailsReply => &[RESPONSE, RESPONSE],
            Self::RejectsReply => &[RESPONSE, ERROR],
            _ => &[RESPONSE],
        }
    }
}
