//! Rules that the repository's files keep, each held by a test.
//!
//! - `layers`: no circle of files in a crate, and the order of its folders. It uses `imports`,
//!   which resolves the paths that `tokens` reads.
//! - `absences`: the crates, standard library items and words that a member must not hold.
//! - `words`: first words and banned words of comments, length of test names and of lines.
//! - `documents`: complete tables, one outline in both languages, links that resolve.
//! - `house`: scripts and manifests.
//!
//! A rule is a table at the head of its file and a function that returns offences. A new row holds
//! at once. A new kind of rule is a function that takes a text or a member, and a test that passes
//! what it returns to [`assert_none`]. All rules read the tree as it is: a folder that does not
//! exist offends against nothing.

mod absences;
mod documents;
mod house;
mod imports;
mod layers;
mod tokens;
mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use self::imports::Crate;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders that are not part of the repository.
const IGNORED: &[&str] =
    &[".git", ".venv", "__pycache__", "dist", "node_modules", "screenshots", "target"];

/// Maximum number of offences that a failing test prints.
const MAX_PRINTED: usize = 50;

/// A place that breaks a rule. Sorts by file and line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offence {
    file: String,
    line: usize,
    what: String,
}

/// Panics with the offences, if there are any.
fn assert_none(mut offences: Vec<Offence>) {
    offences.sort();
    offences.dedup();
    let lines = offences.iter().take(MAX_PRINTED);
    let lines = lines.map(|Offence { file, line, what }| format!("{file}:{line}: {what}\n"));
    let lines: String = lines.collect();
    assert!(offences.is_empty(), "{} offences:\n{lines}", offences.len());
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns all files of the repository, sorted, relative to its root.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    let mut dirs = vec![Path::new(ROOT).to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let is_ignored = IGNORED.iter().any(|name| path.ends_with(name));
            if path.is_dir() && !is_ignored {
                dirs.push(path);
            } else if path.is_file() {
                files.push(path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Returns the files of a kind with their texts.
fn texts(extension: &str) -> Vec<(String, String)> {
    let mut files = files();
    files.retain(|file| Path::new(file).extension().is_some_and(|found| found == extension));
    assert!(!files.is_empty(), "{extension}");
    files.into_iter().map(|file| (file.clone(), read(&file))).collect()
}

/// A package of the workspace.
struct Member {
    name: String,
    /// Its folder; empty for the root package.
    dir: String,
    /// The root files of its library and its programs.
    roots: Vec<String>,
}

impl Member {
    /// Reads its library and its programs.
    fn crates(&self) -> impl Iterator<Item = Crate> {
        let source = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).ok();
        self.roots.iter().map(move |root| Crate::read(root, &source))
    }
}

fn members() -> Vec<Member> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let relative = |path: &Value| {
        let path = Path::new(path.as_str().unwrap()).strip_prefix(ROOT).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let member = |package: &Value| {
        let targets = package["targets"].as_array().unwrap().iter();
        let built =
            targets.filter(|target| ["lib", "bin"].iter().any(|kind| target["kind"][0] == *kind));
        let manifest = relative(&package["manifest_path"]);
        Member {
            name: package["name"].as_str().unwrap().to_owned(),
            dir: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned(),
            roots: built.map(|target| relative(&target["src_path"])).collect(),
        }
    };
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

/// Runs Cargo against the lock file and returns what it prints.
fn cargo(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command.args(args).arg("--locked").current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
