/// A format of answers.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name in `?format=`.
    pub name: &'static str,
    /// Set if the function sends answers in this format piece by piece.
    pub streams: bool,
}

/// The keys of the functions. No run of four of their characters is in any message.
pub(super) const KEYS: [&str; 2] = ["sk-Zq7Wx3Vb9Nm1Lk5Jh8Gf", "sk-Tt2Ppx8QqYy4Rr6Ss0Dd"];

/// The models of the functions.
pub(super) const MODELS: [&str; 2] = ["gpt-first", "gpt-second"];

/// The settings of a function and the manner in which the upstream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// A single key and a single model.
    Plain,
    /// `ASK_PARTIAL`: every answer is asked as a stream. Bodies come in small chunks.
    Partial,
    /// Two keys and two models. The second request for a question gets an answer.
    Lists,
    /// As [`Self::Plain`], over TLS.
    Tls,
}

impl Setup {
    pub(super) const ALL: [Self; 4] = [Self::Plain, Self::Partial, Self::Lists, Self::Tls];

    /// The settings beside the address of the upstream.
    pub(super) fn vars(self) -> Vec<(&'static str, String)> {
        let count = if self == Self::Lists { 2 } else { 1 };
        let mut vars = vec![
            ("OPENAI_API_KEY", KEYS[..count].join(",")),
            ("OPENAI_MODEL", MODELS[..count].join(",")),
        ];
        if self == Self::Partial {
            vars.push(("ASK_PARTIAL", "1".to_owned()));
        }
        vars
    }

    /// The formats in which each row is asked. For lists and TLS, one of them is enough.
    pub(super) fn formats<T>(self, all: &[T]) -> &[T] {
        match self {
            Self::Plain | Self::Partial => all,
            Self::Lists | Self::Tls => &all[..1],
        }
    }
}
