//! Keys and tokens: values that cannot be printed, and the mask for texts that may repeat them.

use std::fmt;

use subtle::ConstantTimeEq;

/// An API key or a token. It has no `Display`, and its `Debug` prints dots.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one header that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `shown` is this secret. Takes the same time wherever the two differ.
    pub fn matches(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What stands where a secret stood.
const MASKED: &str = "[…]";

/// So many characters of a secret in a row give it away.
const RUN: usize = 4;

/// Replaces what is or looks like a key in texts that others wrote: providers echo parts of keys in
/// their messages, and callers put them into paths.
#[derive(Clone, Debug, Default)]
pub struct Mask(Vec<Secret>);

impl Mask {
    /// Masks these secrets, and whatever looks like one.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// The text with words that look like keys replaced whole, and so every run of four or more
    /// characters of a secret.
    pub fn text(&self, text: &str) -> String {
        self.runs(&key_like_words(text))
    }

    /// The text with every run of four or more characters of a secret replaced.
    fn runs(&self, text: &str) -> String {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut hidden = vec![false; chars.len()];
        for (start, window) in chars.windows(RUN).enumerate() {
            let end = window[RUN - 1].0 + window[RUN - 1].1.len_utf8();
            let run = &text[window[0].0..end];
            if self.0.iter().any(|secret| secret.0.contains(run)) {
                hidden[start..start + RUN].fill(true);
            }
        }
        let mut masked = String::with_capacity(text.len());
        let mut before = false;
        for ((_, char), hidden) in chars.into_iter().zip(hidden) {
            match (hidden, before) {
                (false, _) => masked.push(char),
                (true, false) => masked.push_str(MASKED),
                (true, true) => {}
            }
            before = hidden;
        }
        masked
    }
}

/// Replaces words that look like keys: `sk-…`, `org-…`, `proj_…`, and words with stars in them.
fn key_like_words(text: &str) -> String {
    let in_word = |char: char| char.is_ascii_alphanumeric() || "-_*.".contains(char);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|char| !in_word(char)).unwrap_or(rest.len());
        if looks_like_a_key(&rest[..word]) {
            masked.push_str(MASKED);
        } else {
            masked.push_str(&rest[..word]);
        }
        rest = &rest[word..];
        let gap = rest.find(in_word).unwrap_or(rest.len());
        masked.push_str(&rest[..gap]);
        rest = &rest[gap..];
    }
    masked
}

fn looks_like_a_key(word: &str) -> bool {
    ["sk-", "org-", "proj_", "sess-"]
        .iter()
        .any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
        || word.contains("**")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        Mask::new([Secret::new("alpha-bravo-Charlie99".into())]).text(text)
    }

    #[test]
    fn a_secret_has_no_printed_form() {
        assert_eq!(format!("{:?}", Secret::new("sk-123".into())), "…");
    }

    #[test]
    fn words_that_look_like_keys_are_replaced_whole() {
        assert_eq!(
            mask("Incorrect API key provided: sk-abcd****wxyz. See \"org-12\" and proj_9."),
            "Incorrect API key provided: […] See \"[…]\" and […]"
        );
        assert_eq!(mask("key ****1234 is wrong"), "key […] is wrong");
    }

    #[test]
    fn a_run_of_four_characters_of_a_secret_is_replaced() {
        assert_eq!(mask("your key ends in lie99, sorry"), "your key ends in […], sorry");
        assert_eq!(mask("xxbravoxx"), "xx[…]xx");
        assert_eq!(mask("abc 99 pha"), "abc 99 pha");
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["The model `gpt-3.5-turbo` has been deprecated", "你好，世界", "a * b", ""] {
            assert_eq!(mask(text), text);
        }
    }
}
