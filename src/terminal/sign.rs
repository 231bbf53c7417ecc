//! `ask sign`: signs a link that may ask without a token until it expires.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use ask_core::Settings;
use ask_core::access::signed_link::{encode_question, sign};
use http::Uri;

/// The default lifetime of a link.
const DEFAULT_EXPIRES: Duration = Duration::from_secs(7 * 86_400);

/// Signs the URL in the arguments with `ASK_SIGNING_KEY`.
///
/// # Errors
/// If the key or the URL is missing or invalid.
pub(super) fn link(args: &[String], settings: Settings) -> anyhow::Result<String> {
    let mut expires = DEFAULT_EXPIRES;
    let mut question = None;
    let mut url = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--expires" => {
                expires =
                    duration(args.next().context("missing duration after --expires (use 7d)")?)?
            }
            "--question" => {
                question = Some(args.next().context("missing question after --question")?.trim())
            }
            option if option.starts_with("--") => bail!("unknown option {option}"),
            value if url.is_none() => url = Some(value),
            value => bail!("unexpected argument {value:?}"),
        }
    }
    let url = url.context("missing URL (ask sign [--expires 7d] [--question …] https://…)")?;
    let mut errors = settings.errors.iter();
    if let Some(error) = errors.find(|error| error.variable == "ASK_SIGNING_KEY") {
        bail!(error.summary().en);
    }
    let key = settings.signing_key.context("ASK_SIGNING_KEY is not set")?;
    let uri: Uri = url.parse().context("invalid URL")?;
    let (Some(scheme), Some(authority), None) = (uri.scheme(), uri.authority(), uri.query()) else {
        bail!("invalid URL (use https://host/path, without a query)");
    };
    ensure!(question != Some(""), "empty question");

    let until = SystemTime::now() + expires;
    let until = until
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the system clock is before 1970")?
        .as_secs();
    let link = sign(&key, uri.path(), until, question);
    let question = question
        .map(|question| format!("question={}&", encode_question(question)))
        .unwrap_or_default();
    let (path, exp, sig) = (uri.path(), link.expires, link.signature);
    Ok(format!("{scheme}://{authority}{path}?{question}exp={exp}&sig={sig}"))
}

/// Parses a number with the unit `s`, `m`, `h` or `d`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let invalid = || format!("invalid duration {text:?} (use 90s, 15m, 12h or 7d)");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => bail!(invalid()),
    };
    let number: u32 = text[..text.len() - 1].parse().with_context(invalid)?;
    ensure!(number > 0, invalid());
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s").unwrap().as_secs(), 90);
        assert_eq!(duration("7d").unwrap().as_secs(), 604_800);
        for text in ["", "7", "d", "-1d", "0h", "7w", "7天"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
