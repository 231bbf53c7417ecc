//! Removes indentation and comments from the files of the page and the widget.

use std::path::Path;
use std::{env, fs, io};

const DIR: &str = "src/response/page";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={DIR}");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for entry in fs::read_dir(DIR)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension != "rs") {
            let text = strip(&fs::read_to_string(&path)?);
            fs::write(Path::new(&out).join(path.file_name().unwrap_or_default()), text)?;
        }
    }
    Ok(())
}

/// Returns the lines without their indentation, without empty lines and comments.
///
/// A comment has lines of its own. Template literals have one line, so no text is lost.
fn strip(text: &str) -> String {
    let mut stripped = String::with_capacity(text.len());
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            stripped.push_str(line);
            stripped.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
    stripped
}
