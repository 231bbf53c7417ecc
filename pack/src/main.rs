//! Packs a function as the platform takes it: `ask-pack FUNCTION.zip FILE…`. The files lie at the top and may be executed.
//! The same files give the same zip, wherever and whenever it is packed.

use std::path::Path;
use std::{env, fs};

use anyhow::Context as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The `zip` crate counts zopfli's rounds from here. After a few of them nothing gets smaller any more.
const ROUNDS: i64 = 9 + 5;

fn main() -> anyhow::Result<()> {
    let mut paths = env::args_os().skip(1);
    let target = paths.next().context("usage: ask-pack FUNCTION.zip FILE…")?;
    let mut zip = ZipWriter::new(fs::File::create(&target)?);
    // Without a time, which zips keep to two seconds and in no zone, all files are of 1980.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(ROUNDS))
        .unix_permissions(0o755);
    for path in paths {
        let path = Path::new(&path);
        let name = path.file_name().and_then(|name| name.to_str()).context("a file has no name")?;
        zip.start_file(name, options)?;
        std::io::copy(
            &mut fs::File::open(path).with_context(|| path.display().to_string())?,
            &mut zip,
        )?;
    }
    let bytes = zip.finish()?.metadata()?.len();
    println!("{}: {bytes} bytes", Path::new(&target).display());
    Ok(())
}
