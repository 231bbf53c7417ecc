//! The documents: complete tables, one outline in both languages, links that resolve.

use std::fs;
use std::path::{Component, Path, PathBuf};

use ask_core::format::Format;
use ask_core::query::QUESTION_NAMES;
use ask_core::settings::VARIABLES;

use super::{Offence, ROOT, assert_none, files, read, texts};

/// The folders of the documents, and those of their Chinese versions.
const FOLDERS: [&str; 2] = ["docs/", "docs/zh-CN/"];

/// A folder whose Markdown is input of a test.
const FIXTURES: &str = "tests/browser/markdown/";

/// Returns a document in both languages, with its file.
fn both(name: &str) -> [(String, String); 2] {
    FOLDERS.map(|folder| (format!("{folder}{name}"), read(&format!("{folder}{name}"))))
}

/// Returns the first two cells of the rows that begin with code, without the quotes of the first.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let rows = text.lines().filter_map(|line| {
        let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((code, rest.split(" |").next()?))
    });
    rows.collect()
}

/// Returns the codes of `("code", StatusCode::…)` in a source file, in order.
fn codes(file: &str) -> Vec<String> {
    let source = read(file);
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut before: Vec<_> = code.split("\", StatusCode::").collect();
    before.pop();
    let codes: Vec<_> =
        before.iter().filter_map(|text| text.rsplit('"').next()).map(str::to_owned).collect();
    assert!(codes.len() > 5, "{file}: {codes:?}");
    codes
}

/// Returns the offences of a document that lacks one of the words, in any case.
fn lacks(file: &str, text: &str, words: impl IntoIterator<Item = String>) -> Vec<Offence> {
    let text = text.to_lowercase();
    let absent = words.into_iter().filter(|word| !text.contains(&word.to_lowercase()));
    let offence =
        |word| Offence { file: file.to_owned(), line: 1, what: format!("does not hold {word}") };
    absent.map(offence).collect()
}

#[test]
fn configuration_lists_every_setting_once() {
    let mut expected = VARIABLES.to_vec();
    expected.sort_unstable();
    for (file, text) in both("configuration.md") {
        let is_name = |name: &str| name.chars().all(|char| char == '_' || char.is_uppercase());
        let mut names: Vec<_> = rows(&text).into_iter().map(|(name, _)| name).collect();
        names.retain(|name| is_name(name));
        names.sort_unstable();
        assert_eq!(names, expected, "{file}");
    }
}

#[test]
fn error_tables_list_every_code() {
    // The codes with their statuses. A list of statuses has the comma of its language.
    let listed = |text: &str| -> Vec<(String, String)> {
        let is_code = |text: &str| text.chars().all(|char| char == '_' || char.is_lowercase());
        let rows = rows(text).into_iter();
        let rows = rows.filter(|(code, cell)| is_code(code) && cell.starts_with(char::is_numeric));
        rows.map(|(code, cell)| (code.to_owned(), cell.replace('、', ", "))).collect()
    };
    for (document, source) in
        [("http-api.md", "core/src/failure.rs"), ("proxy.md", "core/src/proxy/error.rs")]
    {
        let [english, chinese] = both(document).map(|(_, text)| listed(&text));
        assert_eq!(chinese, english, "{document}");
        let mut names: Vec<_> = english.into_iter().map(|(code, _)| code).collect();
        let mut codes = codes(source);
        names.sort_unstable();
        codes.sort_unstable();
        assert_eq!(names, codes, "{document}");
    }
}

#[test]
fn http_api_names_headers_formats_and_question_names() {
    let responder = read("core/src/response/responder.rs");
    let headers = responder.split("from_static(\"x-").skip(1);
    let headers: Vec<_> =
        headers.map(|rest| format!("`x-{}`", rest.split('"').next().unwrap())).collect();
    assert!(headers.len() > 3, "{headers:?}");
    let formats = Format::ALL.iter().map(|format| format!("`{}`", format.media_type()));
    let names = Format::ALL.iter().map(|format| format!("{}`", format.name()));
    let questions = QUESTION_NAMES.iter().map(|name| format!("`{name}`"));
    let words: Vec<_> = headers.into_iter().chain(formats).chain(names).chain(questions).collect();
    let check = |(file, text): (String, String)| lacks(&file, &text, words.clone());
    assert_none(both("http-api.md").into_iter().flat_map(check).collect());
}

/// Returns the words after each occurrence of a prefix in a source file, if the file exists.
fn words_after(file: &str, prefix: &str) -> Vec<String> {
    let source = fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default();
    let is_word = |char: char| char == '-' || char.is_ascii_lowercase();
    let words = source.split(prefix).skip(1);
    let words = words.filter_map(|rest| rest.split(|char| !is_word(char)).next());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn documents_name_every_option_and_attribute() {
    for (document, file, prefix, shown) in [
        ("cli.md", "src/terminal/help.rs", "--", "--"),
        ("usage.md", "core/src/response/page/widget.js", "option.", "data-"),
    ] {
        let words = words_after(file, prefix);
        let words: Vec<_> = words.iter().map(|word| format!("`{shown}{word}")).collect();
        let check = |(file, text): (String, String)| lacks(&file, &text, words.clone());
        assert_none(both(document).into_iter().flat_map(check).collect());
    }
}

#[test]
fn contributing_names_every_check() {
    let mut checks = files();
    checks.retain(|file| file.starts_with(".ci/") || file.ends_with("/run"));
    assert!(checks.len() > 5, "{checks:?}");
    let words = checks.iter().map(|file| format!("`{file}`"));
    assert_none(lacks("CONTRIBUTING.md", &read("CONTRIBUTING.md"), words));
}

/// Returns the lines outside code blocks, with their numbers and without inline code. The opening
/// lines of code blocks are included.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        if !is_code {
            let outside = line.split('`').step_by(2);
            let outside: String = if is_fence { line.to_owned() } else { outside.collect() };
            lines.push((number, outside));
        }
        is_code ^= is_fence;
    }
    lines
}

/// Returns the headings' levels, the code blocks' languages and the numbers of table rows.
fn outline(text: &str) -> Vec<String> {
    let mut outline = Vec::<String>::new();
    for (_, line) in prose(text) {
        if line.starts_with('#') {
            outline.push(line.split(' ').next().unwrap().to_owned());
        } else if line.trim_start().starts_with("```") {
            outline.push(line.trim_start().to_owned());
        } else if line.starts_with('|') {
            outline.push("|".to_owned());
        }
    }
    outline
}

#[test]
fn both_languages_have_the_same_outline() {
    let documents = texts("md").into_iter();
    let names: Vec<_> = documents
        .filter_map(|(file, _)| Some(file.strip_prefix(FOLDERS[0])?.to_owned()))
        .filter(|name| !name.contains('/'))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let mut pairs: Vec<_> =
        names.iter().map(|name| both(name).map(|(_, text)| outline(&text))).collect();
    pairs.push(["README.md", "README.zh-CN.md"].map(|file| outline(&read(file))));
    for ([english, chinese], name) in
        pairs.into_iter().zip(names.iter().map(String::as_str).chain(["README"]))
    {
        assert_eq!(chinese, english, "{name}");
    }
}

/// Returns the anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim();
    // A link in a heading counts as its text.
    let text = heading.replace('[', "").split("](").next().unwrap_or_default().to_lowercase();
    let kept = text.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

/// Returns the targets of links and pictures, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        for (begin, end) in [("](", ')'), ("src=\"", '"')] {
            let found = line.split(begin).skip(1).filter_map(|rest| rest.split_once(end));
            targets.extend(found.map(|(target, _)| (number, target.to_owned())));
        }
    }
    targets
}

/// Returns the reason why a link of a file is broken.
fn broken(file: &str, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let mut full = PathBuf::from(file);
    if !path.is_empty() {
        full.pop();
        for part in Path::new(path).components() {
            match part {
                Component::ParentDir if !full.pop() => return Some("leaves the repository".into()),
                Component::ParentDir | Component::CurDir => {}
                part => full.push(part),
            }
        }
    }
    if !Path::new(ROOT).join(&full).exists() {
        return Some("does not exist".to_owned());
    }
    let is_document = full.extension().is_some_and(|extension| extension == "md");
    if fragment.is_empty() || !is_document {
        return None;
    }
    let text = read(full.to_str().unwrap());
    let mut is_code = false;
    let has = text.lines().any(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#') && anchor(line) == fragment
    });
    (!has).then(|| format!("{} has no such heading", full.display()))
}

#[test]
fn links_resolve() {
    let mut documents = texts("md");
    documents.retain(|(file, _)| !file.starts_with(FIXTURES));
    let mut count = 0;
    let mut offences = Vec::new();
    for (file, text) in documents {
        for (line, target) in targets(&text) {
            count += 1;
            if let Some(reason) = broken(&file, &target) {
                let what = format!("{target}: {reason}");
                offences.push(Offence { file: file.clone(), line, what });
            }
        }
    }
    assert!(count > 100, "{count}");
    assert_none(offences);
}

#[test]
fn broken_links_are_found() {
    let text = "[a](b.md) `[c](d)`\n```\n[e](f)\n```\n<img src=\"g.png\"> [h](#i)";
    let expected = [(1, "b.md"), (5, "#i"), (5, "g.png")];
    assert_eq!(targets(text), expected.map(|(line, target)| (line, target.to_owned())));
    assert_eq!(anchor("## `ask` 还是 `ask-web`？"), "ask-还是-ask-web");
    assert_eq!(broken("docs/cost.md", "../README.md#test-it"), None);
    assert_eq!(broken("docs/cost.md", "https://host/none"), None);
    for target in ["none.md", "#none", "../README.md#none", "../../README.md"] {
        assert!(broken("docs/cost.md", target).is_some(), "{target}");
    }
}
