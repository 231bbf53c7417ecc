//! Phrases that tell the class of an error, in a message or in a code.

/// Maximum number of words between the two parts of a phrase.
const MAX_WORDS_BETWEEN: usize = 4;

/// Maximum length of a message that is searched, in characters.
const MAX_SEARCHED: usize = 4096;

/// Returns the start of a message as [`says_any`] reads it.
pub(super) fn message_words(message: &str) -> String {
    message.chars().take(MAX_SEARCHED).flat_map(char::to_lowercase).collect()
}

/// Returns a code as [`says_any`] reads it: `INSUFFICIENT_BALANCE` and `InsufficientBalance` as
/// `insufficient balance`.
pub(super) fn code_words(code: &str) -> String {
    let mut words = String::new();
    let mut after_lowercase = false;
    for char in code.chars() {
        if after_lowercase && char.is_uppercase() {
            words.push(' ');
        }
        match char.is_alphanumeric() {
            true => words.extend(char.to_lowercase()),
            false => words.push(' '),
        }
        after_lowercase = char.is_lowercase();
    }
    words
}

/// Returns whether a text says one of these phrases.
///
/// A phrase has one or two parts with `…` between them, and a part has alternatives with `|`
/// between them: `api key|token … invalid|expired`. A part begins at the start of a word, and a
/// blank in it stands for `-` and `_`, too. The second part follows the first in the same clause,
/// with at most four words between them.
pub(super) fn says_any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| match phrase.split_once(" … ") {
        Some((first, second)) => ends(text, first).any(|end| follows(clause(&text[end..]), second)),
        None => ends(text, phrase).next().is_some(),
    })
}

/// Returns the positions behind each alternative in the text.
fn ends(text: &str, alternatives: &str) -> impl Iterator<Item = usize> {
    let is_start = |at: usize| !text[..at].ends_with(|char: char| char.is_ascii_alphanumeric());
    alternatives.split('|').flat_map(move |words| {
        let first = words.split(' ').next().unwrap_or_default();
        let starts = text.match_indices(first).map(|(at, _)| at);
        let found = starts.filter(move |at| is_start(*at) && begins(&text[*at..], words));
        found.map(|at| at + words.len())
    })
}

/// Returns whether a text begins with these words.
fn begins(text: &str, words: &str) -> bool {
    let is_same = |(byte, word): (u8, u8)| byte == word || word == b' ' && b"-_".contains(&byte);
    text.len() >= words.len() && text.bytes().zip(words.bytes()).all(is_same)
}

/// Returns whether an alternative is in the clause, after few words.
fn follows(clause: &str, alternatives: &str) -> bool {
    alternatives.split('|').any(|words| {
        ends(clause, words).any(|end| {
            let between = clause[..end - words.len()].split_whitespace();
            between.filter(|word| word.contains(char::is_alphanumeric)).count() <= MAX_WORDS_BETWEEN
        })
    })
}

/// Returns the text up to the end of its first clause.
fn clause(text: &str) -> &str {
    let clause =
        text.split(['\n', ';', '!', '?', '；', '。', '！', '？']).next().unwrap_or_default();
    clause.split(". ").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_words() {
        for (code, words) in [
            ("invalid_api_key", "invalid api key"),
            ("InvalidEndpointOrModel.NotFound", "invalid endpoint or model not found"),
            ("RESOURCE_EXHAUSTED", "resource exhausted"),
            ("API_KEY_INVALID", "api key invalid"),
            ("429", "429"),
        ] {
            assert_eq!(code_words(code), words);
        }
    }

    #[test]
    fn parts_of_a_phrase_are_near_each_other_in_one_clause() {
        let says = |message| says_any(&message_words(message), &["key|token … invalid|expired"]);
        for message in ["Key invalid", "the token: has now EXPIRED", "x-key is expired"] {
            assert!(says(message), "{message}");
        }
        for message in [
            "an invalid key",
            "a monkey invalid",
            "key. Invalid",
            "key; invalid",
            "the key 1 2 3 4 5 expired",
        ] {
            assert!(!says(message), "{message}");
        }
        assert!(says_any("请求过于频繁", &["过于频繁"]));
    }
}
