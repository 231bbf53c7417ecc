//! Words and lengths of comments, test names and lines.

use super::{Offence, assert_none, texts};

/// Words that no doc comment begins with. A doc comment begins with a third-person verb or a noun.
const FIRST_WORDS: &[&str] = &[
    "How", "Nobody", "None", "Nothing", "One", "So", "What", "Where", "Whether", "Who", "Whoever",
    "Whose", "Why",
];

/// Words and phrases that no comment holds, in lower case.
const BANNED: &[&str] = &[
    "anybody",
    "borne",
    "everybody",
    "goodbye",
    "heard",
    "lent",
    "mended",
    "nobody",
    "none of ours",
    "sign of life",
    "silence",
    "so long",
    "so many",
    "somebody",
    "that is none",
    "told",
    "whoever",
    "without a word",
];

const MAX_TEST_NAME: usize = 60;
const MAX_WIDTH: usize = 100;

/// Extensions of the files whose lines are measured.
const WRAPPED: &[&str] = &["md", "rs", "sh", "toml"];
/// Files that a program or a model writes.
const GENERATED: &[&str] =
    &["bench/RESULTS.md", "tests/browser/markdown/en.md", "tests/browser/markdown/zh.md"];

/// A line that is a comment and nothing else.
struct Comment<'a> {
    line: usize,
    /// `///` or `//!` of a doc comment, else `//`.
    marker: &'a str,
    text: &'a str,
}

fn comments(source: &str) -> impl Iterator<Item = Comment<'_>> {
    (1..).zip(source.lines()).filter_map(|(line, text)| {
        let text = text.trim_start();
        let is_doc = ["///", "//!"].iter().any(|doc| text.starts_with(doc));
        let length = if is_doc && !text.starts_with("////") { 3 } else { 2 };
        let (marker, text) = text.starts_with("//").then(|| text.split_at(length))?;
        Some(Comment { line, marker, text })
    })
}

/// Returns the doc comments that begin with one of the words.
fn first_words(source: &str) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    // The line and the marker that would continue a comment.
    let mut next = (0, "");
    for Comment { line, marker, text } in comments(source) {
        let is_first = next != (line, marker);
        next = (line + 1, marker);
        let text = text.trim_start_matches(|char: char| !char.is_alphanumeric() && char != '`');
        let word = text.split(|char: char| !char.is_alphanumeric() && char != '-').next();
        let word = FIRST_WORDS.iter().find(|first| Some(**first) == word);
        if let Some(word) = word.filter(|_| is_first && marker != "//") {
            offences.push((line, format!("a doc comment begins with {word}")));
        }
    }
    offences
}

/// Returns the banned phrases in comments. A line break may divide them.
fn banned(source: &str) -> Vec<(usize, String)> {
    let words: Vec<_> = comments(source)
        .flat_map(|Comment { line, text, .. }| {
            let words =
                text.split(|char: char| !char.is_alphabetic()).filter(|word| !word.is_empty());
            words.map(move |word| (line, word.to_lowercase()))
        })
        .collect();
    let mut offences = Vec::new();
    for phrase in BANNED {
        let parts: Vec<_> = phrase.split(' ').collect();
        for found in words.windows(parts.len()) {
            if found.iter().map(|(_, word)| word.as_str()).eq(parts.iter().copied()) {
                offences.push((found[0].0, format!("a comment holds \"{phrase}\"")));
            }
        }
    }
    offences
}

/// Returns the names of tests that are too long.
fn long_test_names(source: &str) -> Vec<(usize, String)> {
    let mut offences = Vec::new();
    let mut is_test = false;
    for (line, text) in (1..).zip(source.lines()) {
        let text = text.trim_start();
        is_test |= text.starts_with("#[test]") || text.starts_with("#[tokio::test");
        if is_test && let Some((_, rest)) = text.split_once("fn ") {
            is_test = false;
            let name = rest.split('(').next().unwrap_or_default();
            if name.len() > MAX_TEST_NAME {
                offences.push((line, format!("a test name of {} characters", name.len())));
            }
        }
    }
    offences
}

/// Returns the lines that are too long and could be wrapped. Tables, code blocks, lines with a URL
/// and Chinese documents are free, and code that holds a string, which rustfmt leaves whole.
fn long_lines(file: &str, text: &str) -> Vec<(usize, String)> {
    let (is_rust, is_document) = (file.ends_with(".rs"), file.ends_with(".md"));
    let mut is_code_block = false;
    let mut offences = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        is_code_block ^= is_document && text.trim_start().starts_with("```");
        let is_comment = text.trim_start().starts_with("//");
        let is_table = text.trim_start_matches(['/', '!', ' ']).starts_with('|');
        let is_string = text.contains('"') || text.ends_with('\\');
        let is_string = is_string && is_rust && !is_comment;
        let is_free = is_code_block || is_table || is_string || text.contains("://");
        let width = text.chars().count();
        if width > MAX_WIDTH && !is_free && !(is_document && file.contains("zh-CN")) {
            offences.push((line, format!("a line of {width} columns")));
        }
    }
    offences
}

fn offences_in(
    texts: Vec<(String, String)>,
    rule: impl Fn(&str, &str) -> Vec<(usize, String)>,
) -> Vec<Offence> {
    let in_file = |(file, text): (String, String)| {
        let found = rule(&file, &text);
        found.into_iter().map(move |(line, what)| Offence { file: file.clone(), line, what })
    };
    texts.into_iter().flat_map(in_file).collect()
}

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    assert_none(offences_in(texts("rs"), |_, text| first_words(text)));
}

#[test]
fn comments_use_the_words_of_the_field() {
    assert_none(offences_in(texts("rs"), |_, text| banned(text)));
}

#[test]
fn test_names_are_short() {
    assert_none(offences_in(texts("rs"), |_, text| long_test_names(text)));
}

#[test]
fn lines_are_wrapped() {
    let mut files: Vec<_> = WRAPPED.iter().flat_map(|extension| texts(extension)).collect();
    files.retain(|(file, _)| !GENERATED.contains(&file.as_str()));
    assert_none(offences_in(files, long_lines));
}

#[track_caller]
fn check_lines(found: Vec<(usize, String)>, expected: &[usize]) {
    let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, expected, "{found:?}");
}

#[test]
fn first_words_are_those_of_doc_comments() {
    let source = [
        "//! What it is.",
        "/// Returns it.",
        "/// So it goes on.",
        "//! [`One`]",
        "/// *Why* not",
        "// Where it is",
        "    /// Who's there",
        "/// One-shot",
        "//// None",
        "/// `None` if absent",
        "let a = 1;",
        "/// None.",
    ];
    check_lines(first_words(&source.join("\n")), &[1, 5, 7, 12]);
}

#[test]
fn banned_words_are_whole_words_of_comments() {
    let source =
        ["/// Nobody is.", "fn told() {}", "// A sign of", "// life, silent; talented", "//! told"];
    check_lines(banned(&source.join("\n")), &[1, 3, 5]);
}

#[test]
fn long_names_are_those_of_tests() {
    let long = "a".repeat(61);
    let source = format!(
        "#[test]\nfn {long}() {{}}\n#[tokio::test(start_paused = true)]\n#[should_panic]\n\
        async fn {long}() {{}}\nfn {long}() {{}}\n#[test]\nfn {}() {{}}",
        &long[1..]
    );
    check_lines(long_test_names(&source), &[2, 5]);
}

#[test]
fn long_lines_are_those_that_can_be_wrapped() {
    let long = "words ".repeat(17);
    let full = "字".repeat(100);
    let rust = format!(
        "{full}\n{full}.\n\"{long}\"\n{long}\\\n// \"{long}\"\n//! | {long}\n// http://{long}"
    );
    check_lines(long_lines("a.rs", &rust), &[2, 5]);
    let document = format!("{long}\n```\n{long}\n```\n| {long}\n* {long}\nhttp://{long}");
    check_lines(long_lines("a.md", &document), &[1, 6]);
    check_lines(long_lines("a.zh-CN.md", &document), &[]);
    check_lines(long_lines("a.toml", &format!("a = \"{long}\"")), &[1]);
}
