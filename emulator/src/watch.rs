//! `--watch` and `--build`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use scf_emulator::Emulator;

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_millis(300);

/// The watched files, with the time and size of each.
type Snapshot = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Restarts the function after each change of the code, forever. With a build command, files of
/// the current folder are watched as well, and the command runs first.
pub(crate) fn run(code: &Path, build_command: Option<&str>, emulator: &Emulator) {
    let source = build_command.map(|_| Path::new("."));
    let mut built = snapshot(code);
    let mut sources = source.map(snapshot);
    loop {
        thread::sleep(INTERVAL);
        if let (Some(source), Some(command), Some(known)) = (source, build_command, &sources)
            && let Some(path) = changed(source, known)
        {
            emulator.log(format!("{} has changed: {command}", path.display()));
            if !build(command) {
                emulator.log("build command failed; the function runs on as it was");
            }
            // What the command writes is no change of a source.
            sources = Some(snapshot(source));
        }
        if let Some(path) = changed(code, &built) {
            emulator.log(format!("{} has changed: restarting the function", path.display()));
            built = snapshot(code);
            emulator.restart();
        }
    }
}

/// Runs the command in a shell. Its output goes to standard error. Returns whether it succeeded.
pub(crate) fn build(command: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(std::io::stderr());
    shell.status().is_ok_and(|status| status.success())
}

/// Returns a file that differs from the known ones, after all files have not changed for an
/// interval.
fn changed(path: &Path, known: &Snapshot) -> Option<PathBuf> {
    let mut last = snapshot(path);
    if last == *known {
        return None;
    }
    loop {
        thread::sleep(INTERVAL);
        let now = snapshot(path);
        // Compilers remove a program before they write it again.
        if now == last && !now.is_empty() {
            break;
        }
        last = now;
    }
    let differs = |path: &&PathBuf| last.get(*path) != known.get(*path);
    last.keys().chain(known.keys()).find(differs).cloned()
}

/// Returns the watched files: those of a folder, or of the folder of a program. Of a zip file and
/// of a program that a compiler has written among its caches, that file alone.
fn snapshot(path: &Path) -> Snapshot {
    let mut files = Snapshot::new();
    let is_cached = fs::canonicalize(path).is_ok_and(|path| path.ancestors().any(is_cache));
    match path.parent() {
        _ if path.is_dir() => add_folder(path, &mut files),
        Some(folder) if !is_cached && !is_zip(path) => {
            add_folder(
                if folder.as_os_str().is_empty() { Path::new(".") } else { folder },
                &mut files,
            );
        }
        _ => add_file(path, &mut files),
    }
    files
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Returns whether a tool has marked the folder as a cache (<https://bford.info/cachedir/>).
fn is_cache(folder: &Path) -> bool {
    folder.join("CACHEDIR.TAG").is_file()
}

fn add_folder(folder: &Path, files: &mut Snapshot) {
    // A folder that cannot be read has no files.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                let is_hidden = name.as_encoded_bytes().starts_with(b".");
                if !is_hidden && name != "node_modules" && !is_cache(&path) {
                    add_folder(&path, files);
                }
            }
            _ => add_file(&path, files),
        }
    }
}

fn add_file(path: &Path, files: &mut Snapshot) {
    if let Ok(metadata) = fs::metadata(path) {
        files.insert(path.to_owned(), (metadata.modified().ok(), metadata.len()));
    }
}
