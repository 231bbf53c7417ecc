//! The reasons why a command ends without success.

use std::borrow::Cow;

use ask_core::Failure;
use ask_core::lang::{Lang, Localized};

/// The reason why a command ends without success.
#[derive(Debug)]
pub(super) enum Error {
    /// Wrong use. Exit status 2.
    Usage(Localized),
    /// No answer, or not all of it. Exit status 1.
    Failed(Localized),
    /// A check found something to change, and has reported it. Exit status 1.
    NotWell,
    /// The reader of standard output has closed it. Exit status 0.
    ClosedPipe,
}

impl Error {
    /// Creates the error of a wrong use from both languages.
    pub(super) fn usage(
        en: impl Into<Cow<'static, str>>,
        zh: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Usage(Localized::new(en, zh))
    }

    /// Creates a failure from both languages.
    pub(super) fn failed(
        en: impl Into<Cow<'static, str>>,
        zh: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Failed(Localized::new(en, zh))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(sentence(&failure))
    }
}

/// Returns the sentence of a failure in both languages.
pub(super) fn sentence(failure: &Failure) -> Localized {
    Localized::new(failure.message(Lang::En), failure.message(Lang::Zh))
}
