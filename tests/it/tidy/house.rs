//! Scripts and manifests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::{ROOT, cargo, files, read};

/// Scripts that must exist: the start files of both functions, and what packs them.
const SCRIPTS: &[&str] = &["bootstrap", "scf_bootstrap", "package.sh"];

#[test]
fn scripts_are_executable_and_have_unix_line_ends() {
    let bytes = |file: &str| fs::read(Path::new(ROOT).join(file)).unwrap();
    let mut scripts = files();
    scripts.retain(|file| file.ends_with(".sh") || bytes(file).starts_with(b"#!/"));
    assert!(SCRIPTS.iter().all(|name| scripts.iter().any(|script| script == name)), "{scripts:?}");
    for script in scripts {
        let mode = fs::metadata(Path::new(ROOT).join(&script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}: {mode:o}");
        let text = bytes(&script);
        assert!(text.starts_with(b"#!/") && text.ends_with(b"\n"), "{script}");
        assert!(!text.contains(&b'\r'), "{script}");
    }
}

#[test]
fn packed_programs_survive_a_panic() {
    let manifest = read("Cargo.toml");
    let release = manifest.split_once("\n[profile.release]\n").unwrap().1;
    let release = release.split("\n[").next().unwrap();
    assert!(release.contains("\npanic = \"unwind\""), "{release}");
    assert!(!read("package.sh").to_lowercase().contains("panic"));
}

/// A second provider in one build makes rustls panic.
#[test]
fn ring_is_the_only_crypto_provider() {
    let lock = read("Cargo.lock");
    assert!(lock.contains("name = \"ring\""));
    assert!(!lock.contains("aws-lc"));
}

/// Major and minor number of a Rust release.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap_or_default())
}

/// Clippy checks the language and the standard library (`incompatible_msrv`).
#[test]
fn no_dependency_needs_a_newer_rust_than_stated() {
    let filter = ["--filter-platform", "x86_64-unknown-linux-musl"];
    let metadata = cargo(&[&["metadata", "--format-version", "1"][..], &filter].concat());
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let stated = env!("CARGO_PKG_RUST_VERSION");
    for package in metadata["packages"].as_array().unwrap() {
        // A package without the field needs what its edition needs, which is older.
        let needed = package["rust_version"].as_str().unwrap_or("1");
        assert!(release(needed) <= release(stated), "{} needs {needed}", package["name"]);
    }
    for readme in ["README.md", "README.zh-CN.md"] {
        assert!(read(readme).contains(&format!("Rust {stated}")), "{readme}");
    }
}
