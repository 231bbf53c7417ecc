//! Zips a function for upload: `ask-pack FUNCTION.zip FILE…`. All files are at the top level and
//! executable. The same files give the same zip, on any machine and at any time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use anyhow::Context as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Compression level. Above 9, the `zip` crate runs zopfli for `LEVEL - 9` iterations. More of
/// them do not make a function smaller.
const LEVEL: i64 = 9 + 5;

fn main() -> ExitCode {
    let mut paths = env::args_os().skip(1).map(PathBuf::from);
    let Some(target) = paths.next() else {
        eprintln!("ask-pack: missing zip file (use ask-pack FUNCTION.zip FILE…)");
        return ExitCode::from(2);
    };
    match pack(&target, paths) {
        Ok(bytes) => {
            println!("{}: {bytes} bytes", target.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ask-pack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the files into a zip. Returns its size in bytes.
fn pack(target: &Path, paths: impl Iterator<Item = PathBuf>) -> anyhow::Result<u64> {
    let file = fs::File::create(target).with_context(|| target.display().to_string())?;
    let mut zip = ZipWriter::new(file);
    // The default modification time is fixed: 1980, the first year of the zip format.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .unix_permissions(0o755);
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("invalid file name {}", path.display()))?;
        zip.start_file(name, options)?;
        let mut file = fs::File::open(&path).with_context(|| path.display().to_string())?;
        io::copy(&mut file, &mut zip)?;
    }
    Ok(zip.finish()?.metadata()?.len())
}
