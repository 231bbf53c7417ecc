//! Crates, paths and words that a member does without.

use super::imports::Referent;
use super::{Offence, assert_none, cargo, members, read, texts};

/// The target of the packed programs.
const TARGET: &str = "x86_64-unknown-linux-musl";

const ASYNC: &[&str] = &["axum", "futures-core", "hyper", "smol", "tokio"];
const TERMINAL: &[&str] = &["clap", "envfile", "lexopt", "time"];
const IO: &[&str] = &["hyper", "mio", "rustix", "scf-runtime", "socket2", "tokio", "ureq"];

/// A package with its build flags, and the crates that its dependency tree must not hold.
const TREES: &[(&str, &[&[&str]])] = &[
    ("scf-ask", &[ASYNC]),
    ("scf-ask --no-default-features", &[ASYNC, TERMINAL]),
    ("ask-core", &[IO]),
    ("scf-runtime", &[ASYNC, &["ask-core"]]),
    ("scf-emulator", &[&["ask-core"]]),
    ("scf-deploy", &[ASYNC, &["ask-core"]]),
];

/// The packages in the zips, and the folders of members that they must not depend on.
const ZIPPED: &[&str] = &["scf-ask --no-default-features", "ask-web"];
const NOT_ZIPPED: &[&str] = &["bench", "deploy", "emulator", "pack", "testkit"];

/// A folder, the paths that its code must not name, and those below them that it may.
const PATHS: &[(&str, &[&str], &[&str])] = &[(
    "core/src/",
    &[
        "dbg",
        "eprint",
        "eprintln",
        "print",
        "println",
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::os",
        "std::process",
        "std::thread",
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        ".elapsed",
    ],
    // Addresses and kinds of errors are values.
    &["std::io::ErrorKind", "std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"],
)];

/// Files that may compare a date with the time of day. All waits use the monotonic clock.
const WALL_CLOCK: &[&str] = &[
    "src/attempts.rs",
    "deploy/src/client.rs",
    "deploy/src/credentials.rs",
    "src/handler.rs",
    "src/terminal/check/models.rs",
    "src/terminal/sign.rs",
    "web/src/ask/completion.rs",
    "web/src/ask/mod.rs",
    "web/src/proxy/response.rs",
    "web/src/router.rs",
    "web/src/upstream/pool.rs",
];

/// A member's folder, and words that neither its manifest nor its sources hold in any case.
const WORDS: &[(&str, &[&str])] = &[
    (
        "core",
        &["scf_runtime", "scf-runtime", "runtime/invocation", "httpmethod", "queryparameters"],
    ),
    ("runtime", &["ask_core", "ask-core", "chat", "completion", "openai", "question"]),
    ("emulator", &["ask_core", "ask-core", "chat", "completion", "openai"]),
    ("deploy", &["ask_core", "ask-core", "chat", "completion", "openai"]),
];

/// Returns those of the crates that a package depends on, built for [`TARGET`].
fn tree_offences<'a>(package: &str, absent: impl Iterator<Item = &'a str>) -> Vec<Offence> {
    let mut args = vec!["tree", "-e", "normal", "--target", TARGET];
    args.extend(["--prefix", "none", "--format", "{p}", "-p"]);
    args.extend(package.split(' '));
    let tree = cargo(&args);
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found = absent.filter(|absent| crates.contains(absent));
    let offence = |absent| {
        let what = format!("cargo tree -p {package} holds {absent}");
        Offence { file: "Cargo.lock".into(), line: 1, what }
    };
    found.map(offence).collect()
}

#[test]
fn dependency_trees_lack_what_their_package_avoids() {
    let members = members();
    let exists = |name| members.iter().any(|member| Some(member.name.as_str()) == name);
    let trees = TREES.iter().filter(|(package, _)| exists(package.split(' ').next()));
    let offences = trees.flat_map(|(package, absent)| {
        tree_offences(package, absent.iter().copied().flatten().copied())
    });
    assert_none(offences.collect());
}

#[test]
fn zips_hold_no_tool_and_no_terminal() {
    let mut members = members();
    members.retain(|member| NOT_ZIPPED.contains(&member.dir.as_str()));
    assert!(!members.is_empty(), "{NOT_ZIPPED:?}");
    let tools = || members.iter().map(|member| member.name.as_str());
    assert_none(ZIPPED.iter().flat_map(|package| tree_offences(package, tools())).collect());
    if read("Cargo.toml").contains("\nterminal = [") {
        assert!(read("package.sh").contains("--no-default-features"), "package.sh");
    }
}

/// Returns the paths out of the crates, with their places.
fn extern_paths() -> Vec<(String, Offence)> {
    let mut paths = Vec::new();
    for krate in members().iter().flat_map(|member| member.crates()) {
        for reference in krate.references() {
            if let Referent::Extern(path) = reference.to {
                let what = format!("names {path} ({})", reference.text);
                let offence = Offence { file: reference.file, line: reference.line, what };
                paths.push((path, offence));
            }
        }
    }
    paths
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn folders_name_no_path_that_they_avoid() {
    let mut paths = extern_paths();
    paths.retain(|(path, offence)| {
        PATHS.iter().any(|(folder, absent, allowed)| {
            offence.file.starts_with(folder)
                && absent.iter().any(|absent| is_below(path, absent))
                && !allowed.iter().any(|allowed| is_below(path, allowed))
        })
    });
    assert_none(paths.into_iter().map(|(_, offence)| offence).collect());
}

#[test]
fn the_wall_clock_is_read_for_dates_only() {
    let mut paths = extern_paths();
    paths.retain(|(path, _)| path == "std::time::SystemTime::now");
    let (listed, unlisted): (Vec<_>, Vec<_>) = paths
        .into_iter()
        .map(|(_, offence)| offence)
        .partition(|offence| WALL_CLOCK.contains(&offence.file.as_str()));
    let stale = WALL_CLOCK.iter().filter(|file| listed.iter().all(|place| place.file != **file));
    let stale = stale.map(|file| {
        let what = "is listed in WALL_CLOCK and reads no wall clock".to_owned();
        Offence { file: (*file).to_owned(), line: 1, what }
    });
    assert_none(unlisted.into_iter().chain(stale).collect());
}

fn word_offences(file: &str, text: &str, words: &[&str]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (line, text) in (1..).zip(text.to_lowercase().lines()) {
        for word in words.iter().filter(|word| text.contains(**word)) {
            offences.push(Offence { file: file.to_owned(), line, what: format!("holds {word}") });
        }
    }
    offences
}

#[test]
fn platform_and_chat_know_nothing_of_each_other() {
    let texts: Vec<_> = texts("rs").into_iter().chain(texts("toml")).collect();
    let mut offences = Vec::new();
    for (dir, words) in WORDS {
        let (src, manifest) = (format!("{dir}/src/"), format!("{dir}/Cargo.toml"));
        for (file, text) in &texts {
            if file.starts_with(&src) || *file == manifest {
                offences.extend(word_offences(file, text, words));
            }
        }
    }
    assert_none(offences);
}

#[test]
fn all_members_forbid_unsafe_code() {
    assert!(read("Cargo.toml").contains("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    for member in members() {
        let manifest = format!("{}/Cargo.toml", member.dir);
        let inherits = read(manifest.trim_start_matches('/')).contains("[lints]\nworkspace = true");
        assert!(inherits, "{manifest} lacks the workspace's lints");
    }
}
