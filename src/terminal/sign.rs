//! `ask sign`: signs a link that may ask without a token until it expires.

use std::time::SystemTime;

use ask_core::access::signed_link::{encode_question, sign};
use ask_core::settings::SettingError;

use super::address::Address;
use super::args::SignArgs;
use super::error::Error;
use super::variables::Variables;

/// Returns the link for the URL in the arguments, signed with `ASK_SIGNING_KEY`.
///
/// # Errors
/// If the key or the URL is missing or invalid.
pub(super) fn link(args: SignArgs, variables: &Variables) -> Result<String, Error> {
    let address = Address::parse(&args.url)?;
    if !address.is_bare() {
        return Err(Error::usage(
            "invalid URL: use https://host/path, without a query",
            "无效的网址：应是 https://host/path 的形式，不带查询参数",
        ));
    }
    let settings = variables.settings();
    let is_key = |error: &&SettingError| error.variable == "ASK_SIGNING_KEY";
    let missing = || SettingError::missing("ASK_SIGNING_KEY");
    let key = settings.signing_key.ok_or_else(|| {
        let error = settings.errors.iter().find(is_key).cloned().unwrap_or_else(missing);
        Error::Failed(variables.explain(&error))
    })?;
    // A clock before 1970 makes a link that has expired.
    let until = SystemTime::now() + args.expires;
    let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let question = args.question.as_deref();
    let link = sign(&key, address.path(), until, question);
    let question = question
        .map(|question| format!("question={}&", encode_question(question)))
        .unwrap_or_default();
    let (origin, path) = (address.origin(), address.path());
    Ok(format!("{origin}{path}?{question}exp={}&sig={}", link.expires, link.signature))
}
