//! Reads files of `NAME=VALUE` lines: one format for every tool that takes settings from a file.
//!
//! - A value runs to the end of the line. White space around the name and the value is dropped.
//! - One pair of outer quotes, `"…"` or `'…'`, is taken off. Nothing inside is changed.
//! - A line whose first character is `#` is a comment. `#` inside a value belongs to the value.
//! - Nothing is expanded: `$HOME` and `\n` stay as they are. No shell reads the file.
//! - Lines end with LF or CRLF. A byte order mark is skipped. The text is UTF-8.
//! - If a name occurs twice, the last line counts.
//!
//! Errors name the file and the line, never a part of the line: it may hold a secret.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// A variable of the file. Its value may be empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name: ASCII letters, digits and `_`, not beginning with a digit.
    pub name: String,
    /// The value, without outer quotes.
    pub value: String,
    /// The line that it stands in, from 1.
    pub line: usize,
}

/// Hides the value, which may be a secret.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A line that is not in the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The reason.
    pub fault: Fault,
}

/// The reason why a line is not in the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not UTF-8. A file in UTF-16 ends here, too.
    Encoding,
    /// The line has no `=` and is no comment.
    MissingEquals,
    /// The name begins with `export`, as in a shell script.
    Export,
    /// The name is empty or holds other characters than ASCII letters, digits and `_`.
    InvalidName,
    /// The value holds a control character other than a tab.
    ControlCharacter,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "invalid UTF-8; save the file as UTF-8",
            Self::MissingEquals => "missing \"=\"; write NAME=VALUE, or # before a comment",
            Self::Export => "unsupported \"export\"; write NAME=VALUE",
            Self::InvalidName => {
                "invalid name; use letters, digits and _, and begin with a letter or _"
            }
            Self::ControlCharacter => "invalid control character in the value",
        })
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl std::error::Error for LineError {}

/// A file that cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// A line of the file is not in the format.
    Line(PathBuf, LineError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Line(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Reads a file.
///
/// # Errors
///
/// Fails if the file cannot be read or a line is not in the format.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Variable>, Error> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|error| Error::Read(path.to_owned(), error))?;
    parse(&bytes).map_err(|error| Error::Line(path.to_owned(), error))
}

/// Parses the content of a file. Each name occurs once in the result.
///
/// # Errors
///
/// Fails at the first line that is not in the format.
pub fn parse(bytes: &[u8]) -> Result<Vec<Variable>, LineError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut variables: Vec<Variable> = Vec::new();
    for (index, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = index + 1;
        if let Some((name, value)) = parse_line(bytes).map_err(|fault| LineError { line, fault })? {
            variables.retain(|earlier| earlier.name != name);
            variables.push(Variable { name: name.to_owned(), value: value.to_owned(), line });
        }
    }
    Ok(variables)
}

/// Returns name and value, or `None` for a blank line or a comment.
fn parse_line(bytes: &[u8]) -> Result<Option<(&str, &str)>, Fault> {
    let line = str::from_utf8(bytes).map_err(|_| Fault::Encoding)?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').ok_or(Fault::MissingEquals)?;
    let name = name.trim_end();
    if name.starts_with("export ") {
        return Err(Fault::Export);
    }
    if !is_name(name) {
        return Err(Fault::InvalidName);
    }
    let value = unquote(value.trim_start());
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Fault::ControlCharacter);
    }
    Ok(Some((name, value)))
}

/// Returns whether this is a variable's name: ASCII letters, digits and `_`, no digit first.
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Takes off one pair of outer quotes.
fn unquote(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{Fault, LineError, parse, read};

    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: &[(&str, &str)]) {
        let variables = parse(text.as_ref()).unwrap();
        let pairs: Vec<_> =
            variables.iter().map(|variable| (&*variable.name, &*variable.value)).collect();
        assert_eq!(pairs, expected);
    }

    #[track_caller]
    fn check_fault(text: impl AsRef<[u8]>, line: usize, fault: Fault) {
        assert_eq!(parse(text.as_ref()), Err(LineError { line, fault }));
    }

    #[test]
    fn value_runs_to_the_end_of_the_line() {
        check("A=b c # d\nB=x=y==\n", &[("A", "b c # d"), ("B", "x=y==")]);
    }

    #[test]
    fn blank_lines_and_comments_are_skipped() {
        check("\n  \n# A=1\n  # B=2\nC=3", &[("C", "3")]);
        check("", &[]);
    }

    #[test]
    fn one_pair_of_outer_quotes_is_taken_off() {
        check("A=\"b\"\nB='c d'\nC=\"'e'\"", &[("A", "b"), ("B", "c d"), ("C", "'e'")]);
        check("A=\"b\" \"c\"", &[("A", "b\" \"c")]);
        check("A=\"\"\nB=\"", &[("A", ""), ("B", "\"")]);
        check("A=\"b\nB=c'\nC=\"d'", &[("A", "\"b"), ("B", "c'"), ("C", "\"d'")]);
    }

    #[test]
    fn nothing_is_expanded() {
        check(r"A=$HOME `id` \n ~ ${B} %PATH% \", &[("A", r"$HOME `id` \n ~ ${B} %PATH% \")]);
    }

    #[test]
    fn outer_white_space_is_dropped_and_quotes_keep_it() {
        check(" A = b \t\nB=' c '", &[("A", "b"), ("B", " c ")]);
        check("A=b\tc", &[("A", "b\tc")]);
    }

    #[test]
    fn byte_order_mark_and_crlf_are_taken() {
        check("\u{feff}A=b\r\nB=\"c\"\r\n\r\n#\r\n", &[("A", "b"), ("B", "c")]);
    }

    #[test]
    fn value_may_be_empty_or_beyond_ascii() {
        check("A=\nB=你好 é", &[("A", ""), ("B", "你好 é")]);
    }

    #[test]
    fn last_line_of_a_name_counts() {
        check("A=1\nB=2\nA=3", &[("B", "2"), ("A", "3")]);
    }

    #[test]
    fn line_without_equals_is_an_error() {
        check_fault("A=1\n\nsk-secret", 3, Fault::MissingEquals);
    }

    #[test]
    fn invalid_names_are_errors() {
        for name in ["", "1A", "A-B", "A B", "É", "A.B"] {
            check_fault(format!("# c\n{name}=x"), 2, Fault::InvalidName);
        }
        check_fault("export A=b", 1, Fault::Export);
        check("_a1=b\nexport=c", &[("_a1", "b"), ("export", "c")]);
    }

    #[test]
    fn control_characters_are_errors() {
        check_fault("A=b\0c", 1, Fault::ControlCharacter);
        check_fault("A=b\rB=c", 1, Fault::ControlCharacter);
    }

    #[test]
    fn other_encodings_are_errors() {
        check_fault(b"A=b\nB=\xe9\n", 2, Fault::Encoding);
        check_fault(b"\xff\xfeA\0=\0", 1, Fault::Encoding);
    }

    #[test]
    fn errors_name_file_and_line_and_hold_no_text_of_it() {
        let path = std::env::temp_dir().join(format!("envfile-{}.env", std::process::id()));
        for line in ["sk-secret", "sk-secret=x", "export TOKEN=sk-secret", "T=sk-secret\0"] {
            std::fs::write(&path, format!("A=1\n{line}\n")).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: line 2: ", path.display())), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("{}: ", path.display())), "{missing}");
    }

    #[test]
    fn debug_output_hides_values() {
        let text = format!("{:?}", parse(b"TOKEN=sk-secret").unwrap());
        assert!(text.contains("TOKEN") && !text.contains("secret"), "{text}");
    }
}
