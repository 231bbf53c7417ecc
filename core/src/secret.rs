//! Keys and tokens: values that cannot be printed, and the mask for texts that may repeat them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
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

/// So many in a name.
const RUN_IN_NAMES: usize = 8;

/// Replaces what is or looks like a key in texts that others wrote: providers echo parts of keys in
/// their messages, and callers put them into paths. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Mask {
    secrets: Arc<[Secret]>,
    /// Whether a byte occurs in any of the secrets.
    bytes: Arc<[bool; 256]>,
    known: Arc<[String]>,
}

impl Default for Mask {
    fn default() -> Self {
        Self::new([])
    }
}

impl Mask {
    /// Masks these secrets, and whatever looks like one.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets: Arc<[Secret]> = secrets.into_iter().collect();
        let mut bytes = [false; 256];
        for byte in secrets.iter().flat_map(|secret| secret.0.bytes()) {
            bytes[usize::from(byte)] = true;
        }
        Self { secrets, bytes: Arc::new(bytes), known: Arc::default() }
    }

    /// Leaves these names alone, which the owner has given: see [`Mask::name`].
    pub fn knowing(self, names: &[String]) -> Self {
        Self { known: names.into(), ..self }
    }

    /// The text with words that look like keys replaced whole, and so every run of four or more
    /// characters of a secret; borrowed where there is nothing to replace.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match key_like_words(text) {
            Cow::Borrowed(text) => self.runs(text, RUN),
            Cow::Owned(text) => Cow::Owned(self.runs(&text, RUN).into_owned()),
        }
    }

    /// A name that a provider gives, of a model or of a reason. It may share a word with a token, as `test-model` does with
    /// `test-token`, so that only runs of eight or more characters of a secret, or a shorter one whole, are replaced; and a
    /// name that the owner has given stays.
    pub fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self.known.iter().any(|known| known == name) {
            true => name.into(),
            false => self.runs(name, RUN_IN_NAMES),
        }
    }

    /// A JSON value, of which each text and the name of each member is masked as a [`name`](Mask::name).
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.name(&text).into_owned().into(),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, member)| (self.name(&name).into_owned(), self.value(member)))
                .collect(),
            other => other,
        }
    }

    /// The text with every run of so many characters of a secret replaced, and every whole secret that is shorter.
    fn runs<'a>(&self, text: &'a str, longest: usize) -> Cow<'a, str> {
        let run = |secret: &Secret| secret.0.chars().count().clamp(RUN, longest);
        // Most texts are done with here.
        if self.secrets.iter().map(run).min().is_none_or(|shortest| !self.may_hold(shortest, text))
        {
            return text.into();
        }
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut hidden = vec![false; chars.len()];
        for secret in self.secrets.iter() {
            let run = run(secret);
            for (start, window) in chars.windows(run).enumerate() {
                let end = window[run - 1].0 + window[run - 1].1.len_utf8();
                if secret.0.contains(&text[window[0].0..end]) {
                    hidden[start..start + run].fill(true);
                }
            }
        }
        if !hidden.contains(&true) {
            return text.into();
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
        masked.into()
    }

    /// Whether so many bytes in a row occur in secrets, in whatever order.
    fn may_hold(&self, run: usize, text: &str) -> bool {
        let mut row = 0;
        text.bytes().any(|byte| {
            row = if self.bytes[usize::from(byte)] { row + 1 } else { 0 };
            row == run
        })
    }
}

/// Replaces words that look like keys: `sk-…`, `org-…`, `proj_…`, and words with stars in them.
fn key_like_words(text: &str) -> Cow<'_, str> {
    let in_word = |char: char| char.is_ascii_alphanumeric() || "-_*.".contains(char);
    // All of them hold one of these, and most texts none.
    let may_hold_one = text.bytes().any(|byte| b"-_*".contains(&byte));
    if !may_hold_one || !text.split(|char| !in_word(char)).any(looks_like_a_key) {
        return text.into();
    }
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
    masked.into()
}

fn looks_like_a_key(word: &str) -> bool {
    ["sk-", "org-", "proj_", "sess-"]
        .iter()
        .any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
        || word.contains("**")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mask(text: &str) -> String {
        Mask::new([Secret::new("alpha-bravo-Charlie99".into())]).text(text).into_owned()
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
    fn names_hold_nothing_of_a_secret_unless_the_owner_gave_them() {
        let secrets =
            ["alpha-bravo-token", "seven-7", "abc"].map(|secret| Secret::new(secret.into()));
        let mask = Mask::new(secrets).knowing(&["alpha-bravo-2".into()]);
        for (name, shown) in [
            ("alpha-bravo-2", "alpha-bravo-2"),
            ("alpha-bravo-3", "[…]3"),
            ("bravo-2", "bravo-2"),
            ("org-seven-7-abc", "org-[…]-abc"),
        ] {
            assert_eq!(mask.name(name), shown);
        }
        let usage = json!({"total_tokens": 7, "a": ["seven-7"], "alpha-bravo": null});
        assert_eq!(mask.value(usage), json!({"total_tokens": 7, "a": ["[…]"], "[…]": null}));
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["The model `gpt-3.5-turbo` has been deprecated", "你好，世界", "a * b", ""]
        {
            assert_eq!(mask(text), text);
        }
    }
}
