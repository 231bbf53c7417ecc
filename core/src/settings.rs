//! The settings: read once at start, from variables.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::base_url::BaseUrl;
use crate::egress::{Egress, bypasses};
use crate::lang::Sentence;
use crate::secret::{Mask, Secret};

/// Every variable that is read, in the order of the README's table.
pub const VARIABLES: &[&str] = &[
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "ASK_SYSTEM_PROMPT",
    "ASK_EXTRA",
    "ASK_TOKEN",
    "ASK_PUBLIC_TOKEN",
    "ASK_ORIGINS",
    "ASK_MAX_QUESTION",
    "ASK_TIMEOUT",
    "ASK_PARTIAL",
    "ASK_LOG_TEXT",
    "ASK_RESPONSE",
    "ASK_OWN_KEYS",
    "ASK_PATHS",
    "ASK_HOSTS",
    "ASK_DRAIN",
    "ASK_SIGNING_KEY",
    "ASK_RATE",
    "HOST",
    "PORT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];

/// The model where none is set.
const MODEL: &str = "gpt-3.5-turbo";

/// Asked next where the provider is OpenAI itself, which was to switch [`MODEL`] off on 2026-10-23.
const OPENAI_MODEL_AFTER: &str = "gpt-6-luna";

/// A variable whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong, to be read after the name; never the value.
    pub what: Sentence,
}

impl Fault {
    /// A fault of this variable.
    pub fn new(variable: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { variable, what: Sentence::new(en, zh) }
    }
}

/// Where the event function's reply goes (`ASK_RESPONSE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyForm {
    /// Status, headers and body in an envelope, as Function URL and API Gateway's integrated response take it.
    #[default]
    Envelope,
    /// The bare answer, for a gateway without integrated response.
    Passthrough,
}

/// Whose pages may ask (`ASK_ORIGINS`). A page's own origin always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Nothing is set: every page, but on a local server its own alone.
    #[default]
    Unset,
    /// Every page.
    Any,
    /// These, in lower case.
    List(Vec<String>),
}

/// Where a server listens (`HOST`, `PORT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An address or `localhost`.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: "127.0.0.1".into(), port: 9000 }
    }
}

/// The settings. A value that cannot be used leaves the default in its place and a fault in [`Settings::faults`]: the
/// functions come up all the same and say what is wrong, since the platform reports a process that ends at start as a
/// start-up time-out only.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `OPENAI_API_KEY`: tried in this order. Empty where it is not set.
    pub keys: Vec<Secret>,
    /// `OPENAI_BASE_URL`.
    pub base_url: BaseUrl,
    /// `OPENAI_MODEL`: tried in this order; never empty.
    pub models: Vec<String>,
    /// `ASK_SYSTEM_PROMPT`: goes before every conversation.
    pub system_prompt: Option<String>,
    /// `ASK_EXTRA`: merged into what the model is sent.
    pub extra: Map<String, Value>,
    /// `ASK_TOKEN`: opens everything.
    pub tokens: Vec<Secret>,
    /// `ASK_PUBLIC_TOKEN`: opens the question endpoint alone.
    pub public_tokens: Vec<Secret>,
    /// `ASK_ORIGINS`.
    pub origins: Origins,
    /// `ASK_MAX_QUESTION`, in characters.
    pub max_question: usize,
    /// `ASK_TIMEOUT`.
    pub timeout: Option<Duration>,
    /// `ASK_PARTIAL`: what has arrived when time runs out is the answer.
    pub partial: bool,
    /// `ASK_LOG_TEXT`: question and answer are logged, too.
    pub log_text: bool,
    /// `ASK_RESPONSE`.
    pub reply_form: ReplyForm,
    /// `ASK_OWN_KEYS`: callers may use the reverse proxy with keys of their own.
    pub own_keys: bool,
    /// `ASK_PATHS`: prefixes that the reverse proxy forwards as they are.
    pub paths: Vec<String>,
    /// `ASK_HOSTS`: names by which a local server may be called, in lower case.
    pub hosts: Vec<String>,
    /// `ASK_DRAIN`: how long running streams may go on after SIGTERM.
    pub drain: Duration,
    /// `ASK_SIGNING_KEY`: signs links.
    pub signing_key: Option<Secret>,
    /// `ASK_RATE`: answers per minute and caller.
    pub rate: Option<u32>,
    /// `HOST` and `PORT`. A fault of theirs concerns a server alone and stands here, not in [`Settings::faults`].
    pub listen: Result<Listen, Fault>,
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`: the proxy for [`Settings::base_url`].
    pub egress: Option<Egress>,
    /// `SSL_CERT_FILE`: a PEM file.
    pub cert_file: Option<String>,
    /// The values that cannot be used.
    pub faults: Vec<Fault>,
}

impl Settings {
    /// Reads the settings by a look-up in the environment. What is empty counts as not set.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut vars = Vars { lookup, faults: Vec::new() };
        let listen = listen(&vars);
        let base_url = vars.parsed("OPENAI_BASE_URL", BaseUrl::parse).unwrap_or_default();
        let tokens = vars.secrets("ASK_TOKEN");
        let mut models = vars.list("OPENAI_MODEL");
        if models.is_empty() {
            models.push(MODEL.into());
            if base_url.is_openai() {
                models.push(OPENAI_MODEL_AFTER.into());
            }
        }
        Self {
            keys: vars.secrets("OPENAI_API_KEY"),
            models,
            system_prompt: vars.text("ASK_SYSTEM_PROMPT"),
            extra: vars.parsed("ASK_EXTRA", extra).unwrap_or_default(),
            public_tokens: vars.secrets("ASK_PUBLIC_TOKEN"),
            origins: vars.parsed("ASK_ORIGINS", origins).unwrap_or_default(),
            max_question: vars.parsed("ASK_MAX_QUESTION", whole_number).unwrap_or(8000),
            timeout: vars.parsed("ASK_TIMEOUT", seconds),
            partial: vars.switch("ASK_PARTIAL").unwrap_or(false),
            log_text: vars.switch("ASK_LOG_TEXT").unwrap_or(false),
            reply_form: vars.parsed("ASK_RESPONSE", reply_form).unwrap_or_default(),
            own_keys: vars.switch("ASK_OWN_KEYS").unwrap_or(tokens.is_empty()),
            paths: vars.parsed("ASK_PATHS", paths).unwrap_or_default(),
            hosts: vars.parsed("ASK_HOSTS", hosts).unwrap_or_default(),
            drain: vars.parsed("ASK_DRAIN", seconds_or_none).unwrap_or(Duration::from_secs(25)),
            signing_key: vars.parsed("ASK_SIGNING_KEY", signing_key),
            rate: vars.parsed("ASK_RATE", whole_number),
            egress: vars.egress(&base_url),
            cert_file: vars.text("SSL_CERT_FILE"),
            tokens,
            base_url,
            listen,
            faults: vars.faults,
        }
    }

    /// What is wrong for the question endpoint: a value that cannot be used, or no key.
    pub fn fault(&self) -> Option<Fault> {
        let no_key = || Fault::new("OPENAI_API_KEY", "is not set", "没有设置");
        self.faults.first().cloned().or_else(|| self.keys.is_empty().then(no_key))
    }

    /// The mask over everything that is secret here.
    pub fn mask(&self) -> Mask {
        let login = self.egress.as_ref().and_then(Egress::secret);
        let lists = [&self.keys, &self.tokens, &self.public_tokens];
        Mask::new(lists.into_iter().flatten().chain(&self.signing_key).chain(login).cloned())
            .knowing(&self.models)
    }

    /// Whether anybody who finds the address may ask.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.public_tokens.is_empty()
    }
}

/// The variables, and what was found wrong with them.
struct Vars<F> {
    lookup: F,
    faults: Vec<Fault>,
}

impl<F: Fn(&str) -> Option<OsString>> Vars<F> {
    /// The trimmed value; `None` where it is not set, empty or not text.
    fn get(&self, variable: &'static str) -> Result<Option<String>, Fault> {
        let Some(value) = (self.lookup)(variable) else { return Ok(None) };
        let value = value
            .into_string()
            .map_err(|_| Fault::new(variable, "is not UTF-8", "不是 UTF-8 文本"))?;
        Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
    }

    fn text(&mut self, variable: &'static str) -> Option<String> {
        self.get(variable).unwrap_or_else(|fault| {
            self.faults.push(fault);
            None
        })
    }

    fn parsed<T>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Sentence>,
    ) -> Option<T> {
        let value = self.text(variable)?;
        parse(&value).map_err(|what| self.faults.push(Fault { variable, what })).ok()
    }

    fn list(&mut self, variable: &'static str) -> Vec<String> {
        self.parsed(variable, list).unwrap_or_default()
    }

    fn secrets(&mut self, variable: &'static str) -> Vec<Secret> {
        self.parsed(variable, secrets).unwrap_or_default()
    }

    fn switch(&mut self, variable: &'static str) -> Option<bool> {
        self.parsed(variable, |value| match value.to_ascii_lowercase().as_str() {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => {
                Err(Sentence::new("must be 1 or 0, true or false", "只能是 1 或 0、true 或 false"))
            }
        })
    }

    /// The proxy for the base URL: by its scheme, then for all schemes. That of the other scheme must be one, too.
    fn egress(&mut self, base_url: &BaseUrl) -> Option<Egress> {
        let https = self.proxy("https_proxy", "HTTPS_PROXY");
        let http = self.proxy("http_proxy", "HTTP_PROXY");
        let no_proxy = if self.text("no_proxy").is_some() { "no_proxy" } else { "NO_PROXY" };
        if self.parsed(no_proxy, |no_proxy| bypasses(no_proxy, base_url)) == Some(true) {
            return None;
        }
        let by_scheme = if base_url.https { https } else { http };
        by_scheme.or_else(|| self.proxy("all_proxy", "ALL_PROXY"))
    }

    /// The lower-case name first, as curl has it.
    fn proxy(&mut self, lower: &'static str, upper: &'static str) -> Option<Egress> {
        let variable = if self.text(lower).is_some() { lower } else { upper };
        self.parsed(variable, Egress::parse)
    }
}

fn listen<F: Fn(&str) -> Option<OsString>>(vars: &Vars<F>) -> Result<Listen, Fault> {
    let mut listen = Listen::default();
    if let Some(host) = vars.get("HOST")? {
        listen.host = host;
    }
    if let Some(port) = vars.get("PORT")? {
        listen.port = port.parse().map_err(|_| {
            Fault::new("PORT", "must be a number from 0 to 65535", "应是 0 到 65535 的数字")
        })?;
    }
    Ok(listen)
}

fn list(value: &str) -> Result<Vec<String>, Sentence> {
    let members: Vec<String> = value
        .split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .map(str::to_owned)
        .collect();
    match members.is_empty() {
        true => Err(Sentence::new("holds nothing but commas", "里只有逗号")),
        false => Ok(members),
    }
}

fn secrets(value: &str) -> Result<Vec<Secret>, Sentence> {
    list(value)?
        .into_iter()
        .map(|secret| match secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Secret::new(secret)),
            false => Err(Sentence::new(
                "must be of visible ASCII characters, without spaces",
                "只能含可见的 ASCII 字符，不能有空格",
            )),
        })
        .collect()
}

fn signing_key(value: &str) -> Result<Secret, Sentence> {
    match value.len() < 16 {
        true => Err(Sentence::new("must have 16 characters or more", "至少要有 16 个字符")),
        false => Ok(Secret::new(value.to_owned())),
    }
}

fn extra(value: &str) -> Result<Map<String, Value>, Sentence> {
    let not_an_object = || {
        Sentence::new(
            "must be a JSON object such as {\"temperature\": 0.2}",
            "应是 {\"temperature\": 0.2} 这样的 JSON 对象",
        )
    };
    let extra: Map<String, Value> = serde_json::from_str(value).map_err(|_| not_an_object())?;
    match ["model", "messages", "stream"].into_iter().find(|name| extra.contains_key(*name)) {
        Some(name) => {
            Err(Sentence::new(format!("must not hold \"{name}\""), format!("不能含有 \"{name}\"")))
        }
        None => Ok(extra),
    }
}

fn origins(value: &str) -> Result<Origins, Sentence> {
    let normal = |origin: String| {
        let origin = origin.strip_suffix('/').unwrap_or(&origin).to_ascii_lowercase();
        let host = origin.split_once("://").map(|(_, host)| host);
        let is_origin =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', ' ']));
        let fits = HeaderValue::from_str(&origin).is_ok();
        (fits && (is_origin || origin == "null" || origin == "*")).then_some(origin).ok_or_else(
            || {
                Sentence::new(
                    "must be * or origins such as https://page.example, without a path",
                    "应是 * 或 https://page.example 这样的来源，不带路径",
                )
            },
        )
    };
    let origins: Vec<_> = list(value)?.into_iter().map(normal).collect::<Result<_, _>>()?;
    Ok(if origins.iter().any(|origin| origin == "*") {
        Origins::Any
    } else {
        Origins::List(origins)
    })
}

fn paths(value: &str) -> Result<Vec<String>, Sentence> {
    let paths = list(value)?;
    match paths.iter().all(|path| path.starts_with('/')) {
        true => Ok(paths),
        false => {
            Err(Sentence::new("must be paths that begin with a slash", "应是以斜杠开头的路径"))
        }
    }
}

fn hosts(value: &str) -> Result<Vec<String>, Sentence> {
    let hosts = list(&value.to_ascii_lowercase())?;
    let is_name = |host: &String| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    let not_names = || {
        Sentence::new(
            "must be host names, without a scheme or a path",
            "应是主机名，不带协议和路径",
        )
    };
    if hosts.iter().all(is_name) { Ok(hosts) } else { Err(not_names()) }
}

fn reply_form(value: &str) -> Result<ReplyForm, Sentence> {
    match value {
        "envelope" => Ok(ReplyForm::Envelope),
        "passthrough" => Ok(ReplyForm::Passthrough),
        _ => {
            Err(Sentence::new("must be envelope or passthrough", "只能是 envelope 或 passthrough"))
        }
    }
}

fn whole_number<N: FromStr + Default + PartialEq>(value: &str) -> Result<N, Sentence> {
    value
        .parse()
        .ok()
        .filter(|number| *number != N::default())
        .ok_or_else(|| Sentence::new("must be a whole number above 0", "应是大于 0 的整数"))
}

fn seconds(value: &str) -> Result<Duration, Sentence> {
    seconds_or_none(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| Sentence::new("must be a number of seconds above 0", "应是大于 0 的秒数"))
}

fn seconds_or_none(value: &str) -> Result<Duration, Sentence> {
    // A day is longer than any limit of the platform, and keeps sums with it in range.
    let number = value.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    number.map(Duration::from_secs_f64).ok_or_else(|| {
        Sentence::new("must be a number of seconds up to 86400", "应是不超过 86400 的秒数")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    #[track_caller]
    fn check_fault(variable: &str, value: &str) {
        let settings = read(&[(variable, value), ("OPENAI_API_KEY", "sk-test")]);
        let fault = settings.fault().unwrap_or_else(|| panic!("{variable}={value} is taken"));
        assert_eq!(fault.variable, variable);
        // A value this short can be part of any sentence.
        let shown =
            value.len() > 3 && (fault.what.en.contains(value) || fault.what.zh.contains(value));
        assert!(!shown, "{fault:?} shows the value");
    }

    #[test]
    fn nothing_set_is_the_documented_default() {
        let settings = read(&[]);
        assert_eq!(settings.base_url.completions(), "https://api.openai.com/v1/chat/completions");
        assert_eq!(settings.models, ["gpt-3.5-turbo", "gpt-6-luna"]);
        assert_eq!(settings.max_question, 8000);
        assert_eq!(settings.drain, Duration::from_secs(25));
        assert_eq!(
            settings.listen.clone().unwrap(),
            Listen { host: "127.0.0.1".into(), port: 9000 }
        );
        assert!(
            settings.own_keys
                && settings.is_open()
                && !settings.partial
                && settings.faults.is_empty()
        );
        assert_eq!(settings.fault().unwrap().variable, "OPENAI_API_KEY");
    }

    #[test]
    fn only_openai_itself_gets_a_second_model() {
        assert_eq!(
            read(&[("OPENAI_BASE_URL", "https://api.deepseek.com")]).models,
            ["gpt-3.5-turbo"]
        );
        assert_eq!(read(&[("OPENAI_MODEL", "a, b ,,c")]).models, ["a", "b", "c"]);
    }

    #[test]
    fn empty_means_unset() {
        let settings = read(&[("OPENAI_API_KEY", ""), ("ASK_TIMEOUT", " "), ("ASK_PARTIAL", "")]);
        assert!(settings.faults.is_empty() && settings.keys.is_empty());
    }

    #[test]
    fn a_bad_value_is_a_fault_that_names_its_variable_and_not_the_value() {
        for (variable, value) in [
            ("OPENAI_API_KEY", "sk-a sk-b"),
            ("OPENAI_API_KEY", "sk-密钥"),
            ("OPENAI_API_KEY", ",,"),
            ("OPENAI_BASE_URL", "gopher://x"),
            ("OPENAI_MODEL", ","),
            ("ASK_EXTRA", "[1]"),
            ("ASK_EXTRA", "{\"stream\": true}"),
            ("ASK_EXTRA", "{\"model\": 1}"),
            ("ASK_TOKEN", "two words"),
            ("ASK_ORIGINS", "pages.test"),
            ("ASK_ORIGINS", "https://pages.test/path"),
            ("ASK_ORIGINS", "*, pages.test"),
            ("ASK_MAX_QUESTION", "0"),
            ("ASK_MAX_QUESTION", "-7"),
            ("ASK_TIMEOUT", "0.0"),
            ("ASK_TIMEOUT", "7s"),
            ("ASK_TIMEOUT", "NaN"),
            ("ASK_PARTIAL", "yes"),
            ("ASK_LOG_TEXT", "on"),
            ("ASK_RESPONSE", "bare"),
            ("ASK_OWN_KEYS", "2"),
            ("ASK_PATHS", "openai"),
            ("ASK_HOSTS", "one two"),
            ("ASK_HOSTS", "https://my-machine"),
            ("ASK_HOSTS", "my-machine, *"),
            ("ASK_DRAIN", "-1.5"),
            ("ASK_SIGNING_KEY", "short"),
            ("ASK_RATE", "many"),
            ("HTTPS_PROXY", "ftp://proxy"),
            ("https_proxy", "socks4://proxy"),
            ("ALL_PROXY", "::::"),
            // The proxy of the scheme that the provider does not have.
            ("HTTP_PROXY", "ftp://proxy"),
            ("NO_PROXY", "10.1.0.0/33"),
            ("no_proxy", "localhost, http://127.0.0.1/"),
        ] {
            check_fault(variable, value);
        }
    }

    #[test]
    fn a_bad_port_is_no_fault_of_the_event_function() {
        let settings = read(&[("OPENAI_API_KEY", "sk-test"), ("PORT", "ninety")]);
        assert_eq!(settings.fault(), None);
        assert_eq!(settings.listen.unwrap_err().variable, "PORT");
    }

    #[test]
    fn the_proxy_goes_by_the_scheme_and_the_lower_case_name() {
        let chosen = |vars: &[(&str, &str)]| read(vars).egress.map(|egress| egress.host);
        let both = [
            ("HTTPS_PROXY", "http://secure"),
            ("HTTP_PROXY", "http://plain"),
            ("ALL_PROXY", "http://all"),
        ];
        assert_eq!(chosen(&both).as_deref(), Some("secure"));
        let plain = [both[0], both[1], ("OPENAI_BASE_URL", "http://api.example/v1")];
        assert_eq!(chosen(&plain).as_deref(), Some("plain"));
        assert_eq!(chosen(&[("ALL_PROXY", "socks5://all")]).as_deref(), Some("all"));
        assert_eq!(chosen(&[("https_proxy", "http://lower"), both[0]]).as_deref(), Some("lower"));
        assert_eq!(chosen(&[both[0], ("NO_PROXY", ".openai.com")]), None);
        assert_eq!(chosen(&[both[1]]), None);
    }

    #[test]
    fn own_keys_are_welcome_while_no_token_is_set() {
        assert!(!read(&[("ASK_TOKEN", "t")]).own_keys);
        assert!(read(&[("ASK_TOKEN", "t"), ("ASK_OWN_KEYS", "1")]).own_keys);
        assert!(read(&[("ASK_PUBLIC_TOKEN", "t")]).own_keys);
    }

    #[test]
    fn no_secret_shows_in_the_debug_form() {
        let settings = read(&[
            ("OPENAI_API_KEY", "zzkeyzz"),
            ("ASK_TOKEN", "zztokenzz"),
            ("ASK_SIGNING_KEY", "zzsigningzzsigningzz"),
            ("HTTPS_PROXY", "http://me:zzpasswordzz@proxy"),
        ]);
        assert!(!format!("{settings:?}").contains("zz"), "{settings:?}");
        let settings = read(&[("HTTPS_PROXY", "http://zzkeyzz@proxy")]);
        assert!(!format!("{settings:?}").contains("zz"), "{settings:?}");
        assert_eq!(settings.mask().text("user zzkeyzz is out"), "user […] is out");
    }
}
