//! Removes secrets from texts that others wrote.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::secret::Secret;

/// Replacement for redacted characters.
const REDACTED: &str = "[…]";

/// Runs of at least this many characters of a secret are redacted in texts.
const MIN_RUN: usize = 4;

/// Runs of at least this many characters of a secret are redacted in names.
const MIN_RUN_IN_NAMES: usize = 8;

/// Redacts secrets, and words that look like keys.
///
/// Upstreams repeat parts of keys in their messages, and clients put keys into paths. Clones share
/// their data.
#[derive(Clone, Debug)]
pub struct Redactor {
    secrets: Arc<[Secret]>,
    /// Set for each byte that occurs in a secret.
    bytes: Arc<[bool; 256]>,
    allowed_names: Arc<[String]>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new([])
    }
}

impl Redactor {
    /// Creates a redactor for these secrets.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets: Arc<[Secret]> = secrets.into_iter().collect();
        let mut bytes = [false; 256];
        for byte in secrets.iter().flat_map(|secret| secret.expose().bytes()) {
            bytes[usize::from(byte)] = true;
        }
        Self { secrets, bytes: Arc::new(bytes), allowed_names: Arc::default() }
    }

    /// Exempts names that the owner chose from [`Redactor::name`].
    pub fn allow_names(self, names: &[String]) -> Self {
        Self { allowed_names: names.into(), ..self }
    }

    /// Redacts a text: words that look like keys, and runs of four or more characters of a secret.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match redact_key_like_words(text) {
            Cow::Borrowed(text) => self.runs(text, MIN_RUN),
            Cow::Owned(text) => Cow::Owned(self.runs(&text, MIN_RUN).into_owned()),
        }
    }

    /// Redacts a name that the upstream chose, such as that of a model.
    ///
    /// Names share words with tokens, as `test-model` with `test-token`. So only runs of eight or
    /// more characters of a secret are redacted, or a shorter secret as a whole.
    pub fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self.allowed_names.iter().any(|allowed| allowed == name) {
            true => name.into(),
            false => self.runs(name, MIN_RUN_IN_NAMES),
        }
    }

    /// Redacts each string and each member name of a JSON value as a [name](Redactor::name).
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

    /// Redacts runs of at least `min_run` characters of a secret, and shorter secrets as a whole.
    fn runs<'a>(&self, text: &'a str, min_run: usize) -> Cow<'a, str> {
        let run = |secret: &Secret| secret.expose().chars().count().clamp(MIN_RUN, min_run);
        // Fast path: most texts have no such run of bytes.
        if self.secrets.iter().map(run).min().is_none_or(|shortest| !self.may_hold(shortest, text))
        {
            return text.into();
        }
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut redacted = vec![false; chars.len()];
        for secret in self.secrets.iter() {
            let run = run(secret);
            for (start, window) in chars.windows(run).enumerate() {
                let end = window[run - 1].0 + window[run - 1].1.len_utf8();
                if secret.expose().contains(&text[window[0].0..end]) {
                    redacted[start..start + run].fill(true);
                }
            }
        }
        if !redacted.contains(&true) {
            return text.into();
        }
        let mut result = String::with_capacity(text.len());
        let mut in_run = false;
        for ((_, char), redacted) in chars.into_iter().zip(redacted) {
            match (redacted, in_run) {
                (false, _) => result.push(char),
                (true, false) => result.push_str(REDACTED),
                (true, true) => {}
            }
            in_run = redacted;
        }
        result.into()
    }

    /// Returns whether `run` bytes in a row all occur in secrets, in any order.
    fn may_hold(&self, run: usize, text: &str) -> bool {
        let mut row = 0;
        text.bytes().any(|byte| {
            row = if self.bytes[usize::from(byte)] { row + 1 } else { 0 };
            row == run
        })
    }
}

/// Redacts words that look like keys: `sk-…`, `org-…`, `proj_…`, and words with `**`.
fn redact_key_like_words(text: &str) -> Cow<'_, str> {
    let in_word = |char: char| char.is_ascii_alphanumeric() || "-_*.".contains(char);
    // Fast path: every such word has one of these characters.
    let may_hold_one = text.bytes().any(|byte| b"-_*".contains(&byte));
    if !may_hold_one || !text.split(|char| !in_word(char)).any(looks_like_a_key) {
        return text.into();
    }
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|char| !in_word(char)).unwrap_or(rest.len());
        if looks_like_a_key(&rest[..word]) {
            redacted.push_str(REDACTED);
        } else {
            redacted.push_str(&rest[..word]);
        }
        rest = &rest[word..];
        let gap = rest.find(in_word).unwrap_or(rest.len());
        redacted.push_str(&rest[..gap]);
        rest = &rest[gap..];
    }
    redacted.into()
}

/// Returns whether a text has a word that looks like a key.
pub(crate) fn has_key_like_word(text: &str) -> bool {
    matches!(redact_key_like_words(text), Cow::Owned(_))
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

    fn redact(text: &str) -> String {
        Redactor::new([Secret::new("alpha-bravo-Charlie99".into())]).text(text).into_owned()
    }

    #[test]
    fn key_like_words_are_redacted_as_a_whole() {
        assert_eq!(
            redact("Incorrect API key provided: sk-abcd****wxyz. See \"org-12\" and proj_9."),
            "Incorrect API key provided: […] See \"[…]\" and […]"
        );
        assert_eq!(redact("key ****1234 is wrong"), "key […] is wrong");
    }

    #[test]
    fn runs_of_four_characters_of_a_secret_are_redacted() {
        assert_eq!(redact("your key ends in lie99, sorry"), "your key ends in […], sorry");
        assert_eq!(redact("xxbravoxx"), "xx[…]xx");
        assert_eq!(redact("abc 99 pha"), "abc 99 pha");
    }

    #[test]
    fn names_are_redacted_at_eight_characters_unless_allowed() {
        let secrets =
            ["alpha-bravo-token", "seven-7", "abc"].map(|secret| Secret::new(secret.into()));
        let redactor = Redactor::new(secrets).allow_names(&["alpha-bravo-2".into()]);
        for (name, expected) in [
            ("alpha-bravo-2", "alpha-bravo-2"),
            ("alpha-bravo-3", "[…]3"),
            ("bravo-2", "bravo-2"),
            ("org-seven-7-abc", "org-[…]-abc"),
        ] {
            assert_eq!(redactor.name(name), expected);
        }
        let usage = json!({"total_tokens": 7, "a": ["seven-7"], "alpha-bravo": null});
        assert_eq!(redactor.value(usage), json!({"total_tokens": 7, "a": ["[…]"], "[…]": null}));
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in ["The model `gpt-3.5-turbo` has been deprecated", "你好，世界", "a * b", ""]
        {
            assert_eq!(redact(text), text);
        }
    }
}
