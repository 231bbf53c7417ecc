//! Values that must not be printed.

use std::fmt;

use subtle::ConstantTimeEq;

/// An API key or a token. It has no `Display`, and its `Debug` prints an ellipsis.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Returns the value, for the one header that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether `presented` equals this secret, in constant time.
    pub fn matches(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Returns whether one of the secrets equals `presented`. Compares all of them, so that the time
/// does not depend on the position.
pub(crate) fn matches_any<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    presented: &str,
) -> bool {
    secrets.into_iter().fold(false, |found, secret| found | secret.matches(presented))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_form_hides_the_value() {
        assert_eq!(format!("{:?}", Secret::new("sk-123".into())), "…");
    }
}
