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
    /// The report of a check has a warning or a failure. Exit status 1.
    Reported,
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

/// Returns the sentence of a failure in both languages. Two differ from those of a function.
pub(super) fn sentence(failure: &Failure) -> Localized {
    match failure {
        Failure::UpstreamRegion => Localized::new(
            "The provider does not serve the region of this machine: set HTTPS_PROXY to a proxy \
             elsewhere, or OPENAI_BASE_URL to another provider.",
            "模型服务商不支持本机所在的地域：请把 HTTPS_PROXY 设为其他地域的代理，\
             或把 OPENAI_BASE_URL 设为其他服务商。",
        ),
        Failure::Deadline => Localized::new(
            "The time limit passed before the answer was complete: raise ASK_TIMEOUT, or ask for a \
             shorter answer.",
            "在时限内没有得到完整的回答：请调大 ASK_TIMEOUT，或要求更短的回答。",
        ),
        other => Localized::new(other.message(Lang::En), other.message(Lang::Zh)),
    }
}
