//! Rules that hold for the sources.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ask_core::settings::VARIABLES;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust sources below a folder.
fn sources(dir: &str) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    let mut dirs = vec![Path::new(ROOT).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => {
                    sources.push(path)
                }
                false => {}
            }
        }
    }
    assert!(!sources.is_empty(), "{dir}");
    sources
}

/// What comes before the tests that stand at a file's end.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn the_event_function_is_built_without_an_async_runtime() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "-p",
            "scf-ask",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{lib}",
        ])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<_> =
        tree.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert!(crates.contains(&"ureq"), "{tree}");
    for unwanted in [
        "tokio",
        "hyper",
        "axum",
        "async_std",
        "smol",
        "futures_util",
        "scf_emulator",
        "openssl_sys",
    ] {
        assert!(!crates.contains(&unwanted), "{unwanted}");
    }
}

#[test]
fn the_core_opens_nothing_and_asks_nobody() {
    for source in sources("core/src") {
        let text = fs::read_to_string(&source).unwrap();
        for unwanted in [
            "std::env",
            "std::fs",
            "std::thread",
            "std::process",
            "std::io",
            "Instant::now",
            "SystemTime::now",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "println!",
            "tokio",
            "ureq",
            "hyper::",
        ] {
            assert!(
                !without_tests(&text).contains(unwanted),
                "{} holds {unwanted}",
                source.display()
            );
        }
        // Addresses are values, sockets are not.
        let nets = without_tests(&text).lines().filter(|line| line.contains("std::net"));
        for line in nets {
            assert!(
                line.starts_with("use std::net::Ip") || line.starts_with("use std::net::{Ip"),
                "{}: {line}",
                source.display()
            );
        }
    }
}

#[test]
fn what_is_packed_survives_a_panic() {
    let release = read("Cargo.toml").split_once("[profile.release]\n").unwrap().1.to_owned();
    assert!(release.split("\n\n").next().unwrap().contains("panic = \"unwind\""), "{release}");
    assert!(!read("package.sh").to_lowercase().contains("panic"));
}

/// All waits are by the clock that only goes forward. What the other one says is for dates that somebody else has told, and
/// where it only adds to what the first one says.
#[test]
fn the_time_of_day_is_asked_only_where_a_date_is_compared_with_it() {
    let mut askers = Vec::new();
    for dir in ["src", "runtime/src", "core/src", "web/src", "emulator/src"] {
        for source in sources(dir) {
            let text = fs::read_to_string(&source).unwrap();
            let asks = ["SystemTime::now", "UNIX_EPOCH.elapsed", "Utc::now"];
            if asks.iter().any(|asks| without_tests(&text).contains(asks)) {
                askers.push(source.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    askers.sort();
    // Links and `Retry-After`, until when a new link is good, the first for the Web function, and there also how long a
    // connection was idle.
    assert_eq!(
        askers,
        ["src/ask.rs", "src/sign.rs", "web/src/app.rs", "web/src/ask.rs", "web/src/provider.rs"]
    );
}

#[test]
fn the_runtime_knows_nothing_of_chat_and_the_core_nothing_of_the_platforms_runtime() {
    let holds = |dir: &str, unwanted: &[&str]| {
        for source in sources(dir) {
            let text = fs::read_to_string(&source).unwrap().to_lowercase();
            for word in unwanted {
                assert!(!text.contains(word), "{} holds {word}", source.display());
            }
        }
    };
    holds("runtime/src", &["openai", "chat", "completion", "ask_core", "question"]);
    holds("core/src", &["scf_runtime", "runtime/invocation", "httpmethod", "queryparameters"]);
    let manifest = read("runtime/Cargo.toml");
    assert!(!manifest.contains("ask-core"), "{manifest}");
}

#[test]
fn scripts_are_executable_and_have_unix_line_ends() {
    for name in [
        "bootstrap",
        "scf_bootstrap",
        "package.sh",
        ".ci/deny",
        ".ci/reproducible",
        ".ci/fuzz",
        "fuzz/run",
    ] {
        let mode = fs::metadata(Path::new(ROOT).join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name}: {mode:o}");
        let text = read(name);
        assert!(text.starts_with("#!/") && !text.contains('\r') && text.ends_with('\n'), "{name}");
    }
}

#[test]
fn there_is_one_crypto_provider() {
    let lock = read("Cargo.lock");
    assert!(lock.contains("name = \"ring\""));
    assert!(!lock.contains("aws-lc"), "two providers in one build make rustls panic");
}

/// Major and minor of a Rust release.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap_or_default())
}

/// What the language and its library need is clippy's to see (`incompatible_msrv`).
#[test]
fn no_dependency_needs_a_newer_rust_than_is_stated() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-musl"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stated = env!("CARGO_PKG_RUST_VERSION");
    for package in metadata["packages"].as_array().unwrap() {
        // Who states none is taken at the word of its edition, which is older than ours.
        let needed = package["rust_version"].as_str().unwrap_or("1");
        assert!(release(needed) <= release(stated), "{} needs {needed}", package["name"]);
    }
    assert!(read("README.md").contains(&format!("Rust {stated}")), "the README states it");
}

/// The first cells of the table that has this name among them, each of which stands in code quotes.
fn table_with(document: &str, name: &str) -> Vec<String> {
    let lines: Vec<_> = document.lines().collect();
    let tables = lines.split(|line| !line.starts_with('|')).map(|rows| {
        let cells = rows.iter().filter_map(|row| row.strip_prefix("| `")?.split_once("` |"));
        cells.map(|(cell, _)| cell.to_owned()).collect::<Vec<_>>()
    });
    tables.into_iter().find(|table| table.iter().any(|cell| cell == name)).unwrap_or_default()
}

#[test]
fn the_documents_list_every_setting_and_every_code() {
    let source = read("core/src/failure.rs");
    let code = source.split_once("pub fn code(").unwrap().1.split_once("\n    }\n").unwrap().0;
    let codes: Vec<_> = code.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() > 20, "{codes:?}");
    for name in ["README.md", "docs/README.zh-CN.md"] {
        let document = read(name);
        assert_eq!(table_with(&document, "OPENAI_BASE_URL"), VARIABLES, "{name}");
        assert_eq!(table_with(&document, "answer_filtered"), codes, "{name}");
    }
}
