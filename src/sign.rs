//! `ask sign`: prints a link that may ask without a token until a moment.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use ask_core::link;
use http::Uri;

/// How long a link is good where nothing is said.
const DEFAULT_EXPIRES: Duration = Duration::from_secs(7 * 86_400);

/// Signs the URL in the arguments with `ASK_SIGNING_KEY`. Fails where the key or the URL is missing or wrong.
pub(crate) fn link(args: &[String]) -> anyhow::Result<String> {
    let mut expires = DEFAULT_EXPIRES;
    let mut question = None;
    let mut url = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--expires" => {
                expires = duration(args.next().context("--expires needs a time such as 7d")?)?
            }
            "--question" => {
                question = Some(args.next().context("--question needs a question")?.trim())
            }
            option if option.starts_with("--") => bail!("{option} is no option of sign"),
            value if url.is_none() => url = Some(value),
            value => bail!("one URL, please, and not {value:?} as well"),
        }
    }
    let url = url.context("which URL? ask sign [--expires 7d] [--question …] https://…")?;
    let settings = crate::settings();
    if let Some(fault) = settings.faults.iter().find(|fault| fault.variable == "ASK_SIGNING_KEY") {
        bail!("{} {}", fault.variable, fault.what.en);
    }
    let key = settings.signing_key.context("ASK_SIGNING_KEY is not set")?;
    let uri: Uri = url.parse().context("the URL cannot be read")?;
    let (Some(scheme), Some(authority), None) = (uri.scheme(), uri.authority(), uri.query()) else {
        bail!("the URL must be https://host/path, without a query");
    };
    ensure!(question != Some(""), "the question is empty");

    let until = SystemTime::now() + expires;
    let until = until
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs();
    let link = link::sign(&key, uri.path(), until, question);
    let question = question
        .map(|question| format!("question={}&", link::encode(question)))
        .unwrap_or_default();
    let (path, exp, sig) = (uri.path(), link.expires, link.signature);
    Ok(format!("{scheme}://{authority}{path}?{question}exp={exp}&sig={sig}"))
}

/// A number and `s`, `m`, `h` or `d`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let wrong = || format!("{text:?} is no time: 90s, 15m, 12h, 7d");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => bail!(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().with_context(wrong)?;
    ensure!(number > 0, wrong());
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90s").unwrap().as_secs(), 90);
        assert_eq!(duration("7d").unwrap().as_secs(), 604_800);
        for text in ["", "7", "d", "-1d", "0h", "7w", "7天"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
