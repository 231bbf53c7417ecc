//! A function packed as a zip, checked before anything is sent.

use std::{
    fmt, fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use zip::ZipArchive;

/// The two kinds of function that a zip with a program of its own can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Gets events from the runtime API: <https://cloud.tencent.com/document/product/583/47274>
    Event,
    /// Serves HTTP on port 9000: <https://cloud.tencent.com/document/product/583/56124>
    Web,
}

impl Kind {
    /// The file that the platform starts. It stands at the top of the zip.
    pub fn entry(self) -> &'static str {
        match self {
            Self::Event => "bootstrap",
            Self::Web => "scf_bootstrap",
        }
    }

    /// The API's `Type`.
    pub fn api_type(self) -> &'static str {
        match self {
            Self::Event => "Event",
            Self::Web => "HTTP",
        }
    }

    /// The API's `Runtime`. For a Web function `Go1` is the bare image.
    pub fn runtime(self) -> &'static str {
        match self {
            Self::Event => "CustomRuntime",
            Self::Web => "Go1",
        }
    }

    /// The time limit of an invocation in seconds, unless one is given.
    pub fn default_timeout(self) -> u32 {
        match self {
            Self::Event => 60,
            Self::Web => 300,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Event => "--event",
            Self::Web => "--web",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event function",
            Self::Web => "Web function",
        })
    }
}

/// A zip that holds a function.
pub struct Package {
    /// The bytes of the zip.
    pub bytes: Vec<u8>,
    /// The kind of function in it.
    pub kind: Kind,
    /// The file that it was read from.
    pub path: PathBuf,
}

impl Package {
    /// Reads a zip and finds out which kind of function it holds, unless `kind` says so.
    ///
    /// # Errors
    ///
    /// Fails if the file is no zip, or if the file that the platform starts is missing at the top
    /// of it or is not executable.
    pub fn read(path: &Path, kind: Option<Kind>) -> anyhow::Result<Self> {
        let name = path.display();
        let bytes = fs::read(path).with_context(|| name.to_string())?;
        ensure!(!bytes.is_empty(), "{name}: the file is empty; pack the function again");
        let kind = check(&bytes, kind).with_context(|| name.to_string())?;
        Ok(Self { bytes, kind, path: path.to_owned() })
    }

    /// Returns the function's name that the file's name suggests: `ask` for `dist/ask.zip`.
    pub fn name(path: &Path) -> Option<&str> {
        path.file_stem()?.to_str()
    }
}

/// Returns the kind of function in the zip.
fn check(bytes: &[u8], kind: Option<Kind>) -> anyhow::Result<Kind> {
    // The library's own words name parts of the format, which do not help here.
    let Ok(mut zip) = ZipArchive::new(Cursor::new(bytes)) else {
        bail!("not a zip, or a broken one; pack the function again")
    };
    let mut modes = Vec::new();
    let mut nested = None;
    for index in 0..zip.len() {
        let file = zip.by_index_raw(index).context("broken zip")?;
        let name = file.name().context("broken zip")?;
        let name = name.trim_start_matches("./");
        for entry in [Kind::Event, Kind::Web] {
            if name == entry.entry() {
                modes.push((entry, file.unix_mode().unwrap_or(0)));
            } else if name.rsplit('/').next() == Some(entry.entry()) {
                nested = Some(name.to_owned());
            }
        }
    }
    let found = |kind| modes.iter().find(|(found, _)| *found == kind);
    let kind = match (kind, found(Kind::Event), found(Kind::Web)) {
        (Some(kind), ..) => kind,
        (None, Some(_), None) => Kind::Event,
        (None, None, Some(_)) => Kind::Web,
        (None, Some(_), Some(_)) => bail!(
            "both bootstrap and scf_bootstrap are in the zip; choose with --event (bootstrap) or \
             --web (scf_bootstrap)"
        ),
        (None, None, None) => bail!(
            "neither bootstrap (event function) nor scf_bootstrap (Web function) is at the top of \
             the zip; {}",
            pack_again(nested.as_deref())
        ),
    };
    let entry = kind.entry();
    let Some((_, mode)) = found(kind) else {
        bail!(
            "{entry} is not at the top of the zip, and {} needs it; {}",
            kind.option(),
            pack_again(nested.as_deref())
        )
    };
    ensure!(
        mode & 0o111 == 0o111,
        "{entry} is not executable in the zip (mode {:o}), so the platform would not find it; run \
         `chmod 755 {entry}` and pack it again on Linux or macOS (`zip` keeps the mode)",
        mode & 0o777
    );
    Ok(kind)
}

fn pack_again(nested: Option<&str>) -> String {
    match nested {
        Some(name) => format!("{name} is in a folder: zip the files, not the folder"),
        None => "pack one of them with the program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::{Kind, check};

    fn zip(files: &[(&str, u32)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode) in files {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(b"#!/bin/sh\n").unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[track_caller]
    fn check_fails(zip: &[u8], kind: Option<Kind>, words: &[&str]) {
        let error = format!("{:#}", check(zip, kind).unwrap_err());
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn kind_follows_from_the_file_that_is_started() {
        let event = zip(&[("bootstrap", 0o755), ("ask", 0o755)]);
        let web = zip(&[("main", 0o755), ("scf_bootstrap", 0o777)]);
        let both = zip(&[("bootstrap", 0o755), ("scf_bootstrap", 0o755)]);
        assert_eq!(check(&event, None).unwrap(), Kind::Event);
        assert_eq!(check(&web, None).unwrap(), Kind::Web);
        assert_eq!(check(&both, Some(Kind::Event)).unwrap(), Kind::Event);
        assert_eq!(check(&both, Some(Kind::Web)).unwrap(), Kind::Web);
        check_fails(&both, None, &["--event", "--web"]);
        check_fails(&event, Some(Kind::Web), &["scf_bootstrap", "--web"]);
    }

    #[test]
    fn zip_without_an_entry_names_both() {
        for files in [&[][..], &[("ask", 0o755)], &[("Bootstrap", 0o755)]] {
            check_fails(&zip(files), None, &["bootstrap (event", "scf_bootstrap (Web"]);
        }
        check_fails(&zip(&[("ask/bootstrap", 0o755)]), None, &["ask/bootstrap is in a folder"]);
    }

    #[test]
    fn entry_that_is_not_executable_is_an_error() {
        for mode in [0o644, 0o600, 0o744] {
            check_fails(&zip(&[("bootstrap", mode)]), None, &["not executable", "chmod 755"]);
        }
    }

    #[test]
    fn entry_packed_on_windows_is_an_error() {
        let mut bytes = zip(&[("bootstrap", 0o755)]);
        let directory = bytes.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        // The upper byte of "version made by" is the system: 0 is MS-DOS.
        bytes[directory + 5] = 0;
        bytes[directory + 38..directory + 42].copy_from_slice(&0x20_u32.to_le_bytes());
        check_fails(&bytes, None, &["not executable"]);
    }

    #[test]
    fn other_files_are_no_zips() {
        let whole = zip(&[("bootstrap", 0o755)]);
        for bytes in [b"#!/bin/sh\n".as_slice(), &whole[..whole.len() / 2]] {
            check_fails(bytes, None, &["not a zip"]);
        }
    }
}
