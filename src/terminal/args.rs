//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ask_core::lang::Localized;
use lexopt::{Arg, Parser};

use super::error::Error;
use super::help;
use super::pictures::MAX_PICTURES;

/// The default lifetime of a link.
const EXPIRES: Duration = Duration::from_secs(7 * 86_400);

/// A parsed command line.
pub(super) enum Command {
    /// Prints a text, such as the help.
    Print(Localized),
    /// Asks a question.
    Ask(AskArgs),
    /// Checks the settings, or a deployed function.
    Check(CheckArgs),
    /// Signs a link.
    Sign(SignArgs),
}

/// The arguments of a question.
#[derive(Default)]
pub(super) struct AskArgs {
    /// The words of the question.
    pub(super) words: Vec<String>,
    pub(super) model: Option<String>,
    pub(super) system: Option<String>,
    pub(super) pictures: Vec<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) token: Option<String>,
    pub(super) env_file: Option<PathBuf>,
}

/// The arguments of `ask check`.
#[derive(Default)]
pub(super) struct CheckArgs {
    /// The address of a function. Without it, the provider is checked.
    pub(super) url: Option<String>,
    pub(super) model: Option<String>,
    pub(super) token: Option<String>,
    pub(super) env_file: Option<PathBuf>,
    pub(super) json: bool,
}

/// The arguments of `ask sign`.
pub(super) struct SignArgs {
    pub(super) url: String,
    pub(super) question: Option<String>,
    pub(super) expires: Duration,
    pub(super) env_file: Option<PathBuf>,
}

/// Parses the arguments behind the program's name.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn parse(args: Vec<OsString>) -> Result<Command, Error> {
    let first = args.first().and_then(|arg| arg.to_str());
    match first {
        Some(name @ ("check" | "sign")) => {
            check_command(name, &args)?;
            let parser = Parser::from_args(args[1..].to_vec());
            if name == "check" { parse_check(parser) } else { parse_sign(parser) }
        }
        _ => parse_ask(Parser::from_args(args)),
    }
}

/// Rejects a question that begins with the name of a command.
fn check_command(name: &str, args: &[OsString]) -> Result<(), Error> {
    let is_argument = |next: &str| next.len() > 1 && next.starts_with('-') || is_url(next);
    match args.get(1).map(|next| next.to_string_lossy()) {
        Some(next) if !is_argument(&next) => {
            let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
            let words = words.join(" ");
            Err(Error::usage(
                format!(
                    "\"{name}\" is a command and takes options and a URL (https://…); to ask it \
                     as a question: ask -- {words}"
                ),
                format!(
                    "\"{name}\" 是命令，后面只能是选项和网址（https://…）；如要作为问题来问：\
                     ask -- {words}"
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// Returns whether a text begins like an HTTP URL.
fn is_url(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    is_scheme("http://") || is_scheme("https://")
}

fn parse_ask(mut parser: Parser) -> Result<Command, Error> {
    let mut args = AskArgs::default();
    while let Some(item) = next(&mut parser)? {
        match item {
            Item::Option(option) => match option.as_str() {
                "-h" | "--help" => return Ok(Command::Print(help::ask())),
                "-V" | "--version" => {
                    let version = concat!("ask ", env!("CARGO_PKG_VERSION"), "\n");
                    return Ok(Command::Print(Localized::new(version, version)));
                }
                "-m" | "--model" => args.model = Some(non_empty(&mut parser, &option)?),
                "-s" | "--system" => args.system = Some(value(&mut parser, &option)?),
                "-i" | "--image" => args.pictures.push(non_empty(&mut parser, &option)?.into()),
                "--url" => args.url = Some(non_empty(&mut parser, &option)?),
                "--token" => args.token = Some(non_empty(&mut parser, &option)?),
                "--env-file" => args.env_file = Some(non_empty(&mut parser, &option)?.into()),
                _ => return Err(unknown(&option)),
            },
            // The question has begun. What follows is part of it, options included.
            Item::Value(word) => {
                args.words.push(word);
                for word in parser.raw_args().map_err(unexpected_value)? {
                    args.words.push(text(word)?);
                }
            }
        }
    }
    if args.pictures.len() > MAX_PICTURES {
        return Err(Error::usage(
            format!("more than {MAX_PICTURES} pictures"),
            format!("图片超过 {MAX_PICTURES} 张"),
        ));
    }
    match (&args.url, &args.token) {
        (None, Some(_)) => Err(Error::usage("--token needs --url", "--token 要和 --url 一起使用")),
        _ => Ok(Command::Ask(args)),
    }
}

fn parse_check(mut parser: Parser) -> Result<Command, Error> {
    let mut args = CheckArgs::default();
    while let Some(item) = next(&mut parser)? {
        match item {
            Item::Option(option) => match option.as_str() {
                "-h" | "--help" => return Ok(Command::Print(help::check())),
                "-m" | "--model" => args.model = Some(non_empty(&mut parser, &option)?),
                "--token" => args.token = Some(non_empty(&mut parser, &option)?),
                "--env-file" => args.env_file = Some(non_empty(&mut parser, &option)?.into()),
                "--json" => args.json = true,
                _ => return Err(unknown(&option)),
            },
            Item::Value(url) if args.url.is_none() => args.url = Some(url),
            Item::Value(value) => return Err(unexpected(&value)),
        }
    }
    match (&args.url, &args.token) {
        (None, Some(_)) => Err(Error::usage("--token needs a URL", "--token 要和网址一起使用")),
        _ => Ok(Command::Check(args)),
    }
}

fn parse_sign(mut parser: Parser) -> Result<Command, Error> {
    let mut args =
        SignArgs { url: String::new(), question: None, expires: EXPIRES, env_file: None };
    let mut url = None;
    while let Some(item) = next(&mut parser)? {
        match item {
            Item::Option(option) => match option.as_str() {
                "-h" | "--help" => return Ok(Command::Print(help::sign())),
                "--question" => args.question = Some(non_empty(&mut parser, &option)?),
                "--expires" => args.expires = duration(&non_empty(&mut parser, &option)?)?,
                "--env-file" => args.env_file = Some(non_empty(&mut parser, &option)?.into()),
                _ => return Err(unknown(&option)),
            },
            Item::Value(value) if url.is_none() => url = Some(value),
            Item::Value(value) => return Err(unexpected(&value)),
        }
    }
    args.url = url.ok_or_else(|| Error::usage("missing URL", "缺少网址"))?;
    Ok(Command::Sign(args))
}

/// An option, or anything else.
enum Item {
    /// An option with its dashes.
    Option(String),
    Value(String),
}

fn next(parser: &mut Parser) -> Result<Option<Item>, Error> {
    Ok(match parser.next().map_err(unexpected_value)? {
        None => None,
        Some(Arg::Short(letter)) => Some(Item::Option(format!("-{letter}"))),
        Some(Arg::Long(name)) => Some(Item::Option(format!("--{name}"))),
        Some(Arg::Value(value)) => Some(Item::Value(text(value)?)),
    })
}

/// Returns the value of an option.
fn value(parser: &mut Parser, option: &str) -> Result<String, Error> {
    let missing =
        |_| Error::usage(format!("missing value after {option}"), format!("{option} 后面缺少值"));
    text(parser.value().map_err(missing)?)
}

/// Returns the value of an option that must not be empty, such as that of an unset shell variable.
fn non_empty(parser: &mut Parser, option: &str) -> Result<String, Error> {
    let value = value(parser, option)?.trim().to_owned();
    match value.is_empty() {
        true => Err(Error::usage(
            format!("empty value after {option}"),
            format!("{option} 后面的值是空的"),
        )),
        false => Ok(value),
    }
}

fn text(value: OsString) -> Result<String, Error> {
    let not_utf8 = |value: OsString| {
        let value = value.display();
        Error::usage(format!("invalid UTF-8: {value}"), format!("不是 UTF-8：{value}"))
    };
    value.into_string().map_err(not_utf8)
}

fn unknown(option: &str) -> Error {
    Error::usage(
        format!("unknown option {option} (ask --help lists them)"),
        format!("未知的选项 {option}（ask --help 列出全部选项）"),
    )
}

fn unexpected(value: &str) -> Error {
    Error::usage(format!("unexpected argument {value:?}"), format!("多余的参数 {value:?}"))
}

/// Returns the error of an option that takes no value.
fn unexpected_value(error: lexopt::Error) -> Error {
    let option = match &error {
        lexopt::Error::UnexpectedValue { option, .. } => option.clone(),
        other => other.to_string(),
    };
    Error::usage(format!("unexpected value of {option}"), format!("{option} 不带值"))
}

/// Parses a number with the unit `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<Duration, Error> {
    let seconds = || {
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number: u32 = text[..text.len() - 1].parse().ok()?;
        (number > 0 && !text.starts_with('+')).then_some(u64::from(number) * unit)
    };
    seconds().map(Duration::from_secs).ok_or_else(|| {
        Error::usage(
            format!("invalid duration {text:?} (use 90s, 15m, 12h or 7d)"),
            format!("无效的时长 {text:?}（可写 90s、15m、12h 或 7d）"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Command, Error> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[track_caller]
    fn words(args: &[&str]) -> Vec<String> {
        match parse_words(args) {
            Ok(Command::Ask(args)) => args.words,
            _ => panic!("{args:?} is no question"),
        }
    }

    #[track_caller]
    fn usage(args: &[&str]) -> String {
        match parse_words(args) {
            Err(Error::Usage(message)) => message.en.into_owned(),
            _ => panic!("{args:?} is accepted"),
        }
    }

    #[test]
    fn options_end_at_the_question() {
        assert_eq!(words(&["-m", "m", "what", "is", "-m"]), ["what", "is", "-m"]);
        assert_eq!(words(&["--model=m", "a", "--", "--url"]), ["a", "--", "--url"]);
        assert_eq!(words(&["--", "--help"]), ["--help"]);
        assert_eq!(words(&["-"]), ["-"]);
        assert!(words(&[]).is_empty() && words(&["--"]).is_empty());
    }

    #[test]
    fn check_and_sign_are_commands_before_options_and_urls() {
        assert_eq!(words(&["--", "check", "my", "text"]), ["check", "my", "text"]);
        assert_eq!(words(&["checks"]), ["checks"]);
        assert_eq!(words(&["-m", "m", "check", "it"]), ["check", "it"]);
        for args in [&["check"][..], &["check", "--json"], &["check", "HTTPS://fn.example/"]] {
            assert!(matches!(parse_words(args), Ok(Command::Check(_))), "{args:?}");
        }
        for args in [&["sign", "--expires=1h", "http://a/"][..], &["sign", "http://a/"]] {
            assert!(matches!(parse_words(args), Ok(Command::Sign(_))), "{args:?}");
        }
        for args in [&["check", "my", "text"][..], &["sign", "fn.example"], &["check", "-"]] {
            assert!(usage(args).ends_with(&format!("ask -- {}", args.join(" "))), "{args:?}");
        }
    }

    #[test]
    fn wrong_use_is_named() {
        for (args, message) in [
            (&["-x", "hi"][..], "unknown option -x"),
            (&["--modle", "m"], "unknown option --modle"),
            (&["-m"], "missing value after -m"),
            (&["--url", "", "hi"], "empty value after --url"),
            (&["--token", "t", "hi"], "--token needs --url"),
            (&["-ia", "-ib", "-ic", "-id", "--image=e", "hi"], "more than 4 pictures"),
            (&["check", "--json=1", "--json"], "unexpected value of --json"),
            (&["check", "https://a/", "https://b/"], "unexpected argument \"https://b/\""),
            (&["check", "--url", "x"], "unknown option --url"),
            (&["sign"], "missing URL"),
            (&["sign", "--expires", "https://a/"], "invalid duration \"https://a/\""),
        ] {
            let error = usage(args);
            assert!(error.starts_with(message), "{args:?}: {error}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs()).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("12h"), Some(43_200));
        assert_eq!(seconds("7d"), Some(604_800));
        for text in ["", "7", "d", "-1d", "+1d", "0h", "7w", "7天", "1.5h", "7 d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
