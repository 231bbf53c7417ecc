//! Removes secrets and control characters from texts of the cloud.

use std::{
    cmp::Reverse,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// Minimum length of a secret in bytes. A shorter value, such as `1`, occurs everywhere.
const MIN_SECRET: usize = 4;

/// The secrets of a key and of a function's variables.
pub(crate) struct Redactor {
    secrets: Mutex<Vec<String>>,
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        let redactor = Self { secrets: Mutex::default() };
        secrets.into_iter().for_each(|secret| redactor.add(secret));
        redactor
    }

    fn add(&self, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= MIN_SECRET && !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
            // A secret that contains another one is replaced first.
            secrets.sort_by_key(|secret| Reverse(secret.len()));
        }
    }

    /// Adds the values of the variables in a request or an answer.
    pub(crate) fn add_variables(&self, message: &Value) {
        let variables = message["Environment"]["Variables"].as_array().into_iter().flatten();
        variables
            .filter_map(|variable| variable["Value"].as_str())
            .for_each(|value| self.add(value));
    }

    /// Returns the text on one line, without secrets and control characters.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let text = secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[…]"));
        printable(&text).replace('\n', " ")
    }
}

/// Removes control characters other than line ends and tabs: they move a terminal's cursor or
/// change its colours.
pub fn printable(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Redactor;

    #[test]
    fn secrets_are_removed_from_texts() {
        let redactor = Redactor::new([&"AKID".to_owned(), &"secret".to_owned(), &"k".to_owned()]);
        redactor.add_variables(&json!({"Environment": {"Variables": [
            {"Key": "A", "Value": "abcd"}, {"Key": "B", "Value": "abcdef"},
            {"Key": "C", "Value": "1"},
        ]}}));
        redactor.add_variables(&json!({"FunctionName": "ask"}));
        assert_eq!(
            redactor.redact("abcdef abcd 1 AKID\u{1b}[0m\nsecret k"),
            "[…] […] 1 […][0m […] k"
        );
    }
}
