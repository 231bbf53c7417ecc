//! The program under test, behind the local platform.

mod app;

pub(crate) use app::{App, KEY, Reply};

/// Returns whether a sentence is Chinese.
pub(crate) fn is_chinese(sentence: &str) -> bool {
    sentence.contains(|char| ('\u{4E00}'..='\u{9FFF}').contains(&char))
}
