//! Failures of the platform's runtime API.

/// The path on which a function posts its reply.
pub const RESPONSE: &str = "/runtime/invocation/response";

/// The path on which a function posts that an event failed.
pub const ERROR: &str = "/runtime/invocation/error";

/// A failure of the platform, which happens once, at the next opportunity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault.
    None,
    /// Refuses connections after the call before `next`.
    RefuseNext,
    /// Resets the connection instead of an event.
    ResetNext,
    /// Sends every reply in some fifty pieces, until the fault is removed.
    Slow,
    /// Answers `next` with 500.
    FailNext,
    /// Closes the connection after each reply without announcing it, until the fault is removed.
    CloseAlways,
    /// Closes the connection within the event.
    CutNext,
    /// Hands the event out again although a reply was accepted.
    Redeliver,
    /// Refuses connections after the event is handed out.
    RefuseResponse,
    /// Accepts the reply and resets the connection instead of confirming it.
    ResetResponse,
    /// Rejects the reply with 413.
    RejectResponse,
    /// Answers the reply with 500.
    FailResponse,
}

impl Fault {
    /// All faults, `None` first.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::RefuseNext,
        Self::ResetNext,
        Self::Slow,
        Self::FailNext,
        Self::CloseAlways,
        Self::CutNext,
        Self::Redeliver,
        Self::RefuseResponse,
        Self::ResetResponse,
        Self::RejectResponse,
        Self::FailResponse,
    ];

    /// The paths that a function posts to for one event. An unconfirmed reply is posted again.
    pub fn expected_posts(self) -> &'static [&'static str] {
        match self {
            Self::Redeliver | Self::ResetResponse | Self::FailResponse => &[RESPONSE, RESPONSE],
            Self::RejectResponse => &[RESPONSE, ERROR],
            _ => &[RESPONSE],
        }
    }
}
