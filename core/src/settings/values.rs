//! The values of variables, and their parsers. An error is to be read after the variable's name.

use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Map, Value};

use super::secret::Secret;
use crate::lang::Localized;

/// Minimum length of `ASK_SIGNING_KEY`, in characters.
const MIN_SIGNING_KEY: usize = 16;

/// Maximum of a duration, in seconds: a day. It exceeds every limit of the platform and keeps
/// sums in range.
const MAX_SECONDS: f64 = 86_400.0;

/// The form of the event function's reply (`ASK_RESPONSE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyForm {
    /// Status, headers and body in an envelope, as a Function URL takes it.
    #[default]
    Envelope,
    /// The bare answer, for a gateway without integrated response.
    Passthrough,
}

/// The origins whose pages may ask (`ASK_ORIGINS`). A page's own origin always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Not set: every origin, but on a local server only its own.
    #[default]
    Unset,
    /// Every origin.
    Any,
    /// These origins, in lower case.
    List(Vec<String>),
}

/// The listening address of a server (`HOST`, `PORT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An IP address or `localhost`.
    pub host: String,
    /// Port. With 0, the system chooses one.
    pub port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: "127.0.0.1".into(), port: 9000 }
    }
}

pub(super) fn switch(value: &str) -> Result<bool, Localized> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Localized::new("must be 1 or 0, true or false", "只能是 1 或 0、true 或 false")),
    }
}

pub(super) fn list(value: &str) -> Result<Vec<String>, Localized> {
    let members: Vec<String> = value
        .split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .map(str::to_owned)
        .collect();
    match members.is_empty() {
        true => Err(Localized::new("holds only commas", "里只有逗号")),
        false => Ok(members),
    }
}

pub(super) fn secrets(value: &str) -> Result<Vec<Secret>, Localized> {
    list(value)?
        .into_iter()
        .map(|secret| match secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Secret::new(secret)),
            false => Err(Localized::new(
                "must consist of visible ASCII characters without spaces",
                "只能含可见的 ASCII 字符，不能有空格",
            )),
        })
        .collect()
}

pub(super) fn signing_key(value: &str) -> Result<Secret, Localized> {
    match value.len() < MIN_SIGNING_KEY {
        true => Err(Localized::new("must have 16 characters or more", "至少要有 16 个字符")),
        false => Ok(Secret::new(value.to_owned())),
    }
}

pub(super) fn extra(value: &str) -> Result<Map<String, Value>, Localized> {
    let not_an_object = || {
        Localized::new(
            "must be a JSON object such as {\"temperature\": 0.2}",
            "应是 {\"temperature\": 0.2} 这样的 JSON 对象",
        )
    };
    let extra: Map<String, Value> = serde_json::from_str(value).map_err(|_| not_an_object())?;
    match ["model", "messages", "stream"].into_iter().find(|name| extra.contains_key(*name)) {
        Some(name) => Err(Localized::new(
            format!("must not contain \"{name}\""),
            format!("不能含有 \"{name}\""),
        )),
        None => Ok(extra),
    }
}

pub(super) fn origins(value: &str) -> Result<Origins, Localized> {
    let parse = |origin: String| {
        let origin = origin.strip_suffix('/').unwrap_or(&origin).to_ascii_lowercase();
        let host = origin.split_once("://").map(|(_, host)| host);
        let is_origin =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', ' ']));
        let is_valid = HeaderValue::from_str(&origin).is_ok()
            && (is_origin || origin == "null" || origin == "*");
        is_valid.then_some(origin).ok_or_else(|| {
            Localized::new(
                "must be * or origins such as https://page.example, without a path",
                "应是 * 或 https://page.example 这样的来源，不带路径",
            )
        })
    };
    let origins: Vec<_> = list(value)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    match origins.iter().any(|origin| origin == "*") {
        true => Ok(Origins::Any),
        false => Ok(Origins::List(origins)),
    }
}

pub(super) fn paths(value: &str) -> Result<Vec<String>, Localized> {
    let paths = list(value)?;
    match paths.iter().all(|path| path.starts_with('/')) {
        true => Ok(paths),
        false => Err(Localized::new("must be paths with a leading slash", "应是以斜杠开头的路径")),
    }
}

pub(super) fn hosts(value: &str) -> Result<Vec<String>, Localized> {
    let hosts = list(&value.to_ascii_lowercase())?;
    let is_name = |host: &String| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    match hosts.iter().all(is_name) {
        true => Ok(hosts),
        false => Err(Localized::new(
            "must be host names without scheme and path",
            "应是主机名，不带协议和路径",
        )),
    }
}

pub(super) fn reply_form(value: &str) -> Result<ReplyForm, Localized> {
    match value {
        "envelope" => Ok(ReplyForm::Envelope),
        "passthrough" => Ok(ReplyForm::Passthrough),
        _ => {
            Err(Localized::new("must be envelope or passthrough", "只能是 envelope 或 passthrough"))
        }
    }
}

pub(super) fn port(value: &str) -> Result<u16, Localized> {
    let invalid = || Localized::new("must be a number from 0 to 65535", "应是 0 到 65535 的数字");
    value.parse().map_err(|_| invalid())
}

pub(super) fn positive<N: FromStr + Default + PartialEq>(value: &str) -> Result<N, Localized> {
    value
        .parse()
        .ok()
        .filter(|number| *number != N::default())
        .ok_or_else(|| Localized::new("must be a whole number above 0", "应是大于 0 的整数"))
}

pub(super) fn positive_seconds(value: &str) -> Result<Duration, Localized> {
    seconds(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| Localized::new("must be a number of seconds above 0", "应是大于 0 的秒数"))
}

pub(super) fn seconds(value: &str) -> Result<Duration, Localized> {
    let number = value.parse().ok().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
    number.map(Duration::from_secs_f64).ok_or_else(|| {
        Localized::new("must be a number of seconds up to 86400", "应是不超过 86400 的秒数")
    })
}
