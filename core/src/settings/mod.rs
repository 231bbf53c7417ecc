//! The settings, read once at start from variables.

mod base_url;
mod error;
mod proxy_url;
mod redactor;
mod secret;
mod values;

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Map, Value};

pub use base_url::BaseUrl;
pub use error::SettingError;
pub use proxy_url::{ProxyScheme, ProxyUrl};
pub use redactor::Redactor;
pub use secret::Secret;
pub use values::{Listen, Origins, ReplyForm};

pub(crate) use redactor::has_key_like_word;
pub(crate) use secret::matches_any;

use crate::lang::Localized;
use proxy_url::bypasses_proxy;

/// Every variable, in the order of the documents.
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
    "ASK_TITLE",
    "HOST",
    "PORT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];

/// The default of `OPENAI_MODEL`. OpenAI switched it off on 2026-10-23.
const DEFAULT_MODEL: &str = "gpt-3.5-turbo";

/// The model after [`DEFAULT_MODEL`] if the base URL is OpenAI's own.
const NEXT_OPENAI_MODEL: &str = "gpt-6-luna";

/// The default of `ASK_MAX_QUESTION`, in characters.
const DEFAULT_MAX_QUESTION: usize = 8000;

/// The default of `ASK_DRAIN`.
const DEFAULT_DRAIN: Duration = Duration::from_secs(25);

/// The settings.
///
/// An invalid value leaves the default in its place and an error in [`Settings::errors`]. The
/// functions start anyway and report it: the platform shows a process that exits at start as a
/// start-up timeout only.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `OPENAI_API_KEY`, in order. Empty if not set.
    pub keys: Vec<Secret>,
    /// `OPENAI_BASE_URL`.
    pub base_url: BaseUrl,
    /// `OPENAI_MODEL`, in order. Never empty.
    pub models: Vec<String>,
    /// `ASK_SYSTEM_PROMPT`: the first message of every conversation.
    pub system_prompt: Option<String>,
    /// `ASK_EXTRA`: members that are merged into the upstream request.
    pub extra: Map<String, Value>,
    /// `ASK_TOKEN`: opens the question endpoint and the proxy.
    pub tokens: Vec<Secret>,
    /// `ASK_PUBLIC_TOKEN`: opens the question endpoint.
    pub public_tokens: Vec<Secret>,
    /// `ASK_ORIGINS`.
    pub origins: Origins,
    /// `ASK_MAX_QUESTION`, in characters.
    pub max_question: usize,
    /// `ASK_TIMEOUT`.
    pub timeout: Option<Duration>,
    /// `ASK_PARTIAL`: at the deadline, the text so far is the answer.
    pub partial: bool,
    /// `ASK_LOG_TEXT`: questions and answers are logged.
    pub log_text: bool,
    /// `ASK_RESPONSE`.
    pub reply_form: ReplyForm,
    /// `ASK_OWN_KEYS`: clients may use the reverse proxy with their own keys.
    pub own_keys: bool,
    /// `ASK_PATHS`: path prefixes that the reverse proxy forwards unchanged.
    pub paths: Vec<String>,
    /// `ASK_HOSTS`: host names of a local server, in lower case.
    pub hosts: Vec<String>,
    /// `ASK_DRAIN`: time for running streams after SIGTERM.
    pub drain: Duration,
    /// `ASK_SIGNING_KEY`: signs links.
    pub signing_key: Option<Secret>,
    /// `ASK_RATE`: answers per minute and client address.
    pub rate: Option<u32>,
    /// `ASK_TITLE`: the name of the page.
    pub title: Option<String>,
    /// `HOST` and `PORT`. Their error concerns servers alone and is not in [`Settings::errors`].
    pub listen: Result<Listen, SettingError>,
    /// The proxy for [`Settings::base_url`]: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    pub proxy: Option<ProxyUrl>,
    /// `SSL_CERT_FILE`: a PEM file.
    pub cert_file: Option<String>,
    /// Invalid values.
    pub errors: Vec<SettingError>,
}

impl Settings {
    /// Reads the settings through `lookup`. An empty variable counts as not set.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut vars = Vars { lookup, errors: Vec::new() };
        let listen = vars.listen();
        let base_url = vars.parsed("OPENAI_BASE_URL", BaseUrl::parse).unwrap_or_default();
        let tokens = vars.secrets("ASK_TOKEN");
        let mut models = vars.parsed("OPENAI_MODEL", values::list).unwrap_or_default();
        if models.is_empty() {
            models.push(DEFAULT_MODEL.into());
            if base_url.is_openai() {
                models.push(NEXT_OPENAI_MODEL.into());
            }
        }
        Self {
            keys: vars.secrets("OPENAI_API_KEY"),
            models,
            system_prompt: vars.text("ASK_SYSTEM_PROMPT"),
            extra: vars.parsed("ASK_EXTRA", values::extra).unwrap_or_default(),
            public_tokens: vars.secrets("ASK_PUBLIC_TOKEN"),
            origins: vars.parsed("ASK_ORIGINS", values::origins).unwrap_or_default(),
            max_question: vars
                .parsed("ASK_MAX_QUESTION", values::positive)
                .unwrap_or(DEFAULT_MAX_QUESTION),
            timeout: vars.parsed("ASK_TIMEOUT", values::positive_seconds),
            partial: vars.switch("ASK_PARTIAL").unwrap_or(false),
            log_text: vars.switch("ASK_LOG_TEXT").unwrap_or(false),
            reply_form: vars.parsed("ASK_RESPONSE", values::reply_form).unwrap_or_default(),
            own_keys: vars.switch("ASK_OWN_KEYS").unwrap_or(tokens.is_empty()),
            paths: vars.parsed("ASK_PATHS", values::paths).unwrap_or_default(),
            hosts: vars.parsed("ASK_HOSTS", values::hosts).unwrap_or_default(),
            drain: vars.parsed("ASK_DRAIN", values::seconds).unwrap_or(DEFAULT_DRAIN),
            signing_key: vars.parsed("ASK_SIGNING_KEY", values::signing_key),
            rate: vars.parsed("ASK_RATE", values::positive),
            title: vars.text("ASK_TITLE"),
            proxy: vars.proxy_for(&base_url),
            cert_file: vars.text("SSL_CERT_FILE"),
            tokens,
            base_url,
            listen,
            errors: vars.errors,
        }
    }

    /// Reads the settings from names and values, as tests and tools have them.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self::read(|name| {
            pairs.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.into())
        })
    }

    /// Returns the error that stops the question endpoint: an invalid value, or a missing key.
    pub fn error(&self) -> Option<SettingError> {
        let missing_key = || SettingError::missing("OPENAI_API_KEY");
        self.errors.first().cloned().or_else(|| self.keys.is_empty().then(missing_key))
    }

    /// Creates a redactor for all secrets of the settings.
    pub fn redactor(&self) -> Redactor {
        let proxy = self.proxy.as_ref().and_then(ProxyUrl::secret);
        let lists = [&self.keys, &self.tokens, &self.public_tokens];
        let secrets = lists.into_iter().flatten().chain(&self.signing_key).chain(proxy);
        Redactor::new(secrets.cloned()).allow_names(&self.models)
    }

    /// Returns whether questions need no token.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.public_tokens.is_empty()
    }
}

/// The variables, and the errors found in them.
struct Vars<F> {
    lookup: F,
    errors: Vec<SettingError>,
}

impl<F: Fn(&str) -> Option<OsString>> Vars<F> {
    /// Returns the trimmed value, or `None` if it is not set or empty.
    fn get(&self, variable: &'static str) -> Result<Option<String>, SettingError> {
        let Some(value) = (self.lookup)(variable) else { return Ok(None) };
        let not_utf8 = || Localized::new("is not UTF-8", "不是 UTF-8 文本");
        let value = value.into_string().map_err(|_| SettingError::invalid(variable, not_utf8()))?;
        Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
    }

    fn text(&mut self, variable: &'static str) -> Option<String> {
        self.get(variable).unwrap_or_else(|error| {
            self.errors.push(error);
            None
        })
    }

    fn parsed<T>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Localized>,
    ) -> Option<T> {
        let value = self.text(variable)?;
        let invalid = |problem| self.errors.push(SettingError::invalid(variable, problem));
        parse(&value).map_err(invalid).ok()
    }

    // Two parsers are used often. Calling them here keeps the code small.
    fn secrets(&mut self, variable: &'static str) -> Vec<Secret> {
        self.parsed(variable, values::secrets).unwrap_or_default()
    }

    fn switch(&mut self, variable: &'static str) -> Option<bool> {
        self.parsed(variable, values::switch)
    }

    /// Returns the proxy for the base URL: by its scheme, else `ALL_PROXY`. The proxy of the other
    /// scheme is validated too.
    fn proxy_for(&mut self, base_url: &BaseUrl) -> Option<ProxyUrl> {
        let https = self.proxy("https_proxy", "HTTPS_PROXY");
        let http = self.proxy("http_proxy", "HTTP_PROXY");
        let no_proxy = if self.text("no_proxy").is_some() { "no_proxy" } else { "NO_PROXY" };
        if self.parsed(no_proxy, |no_proxy| bypasses_proxy(no_proxy, base_url)) == Some(true) {
            return None;
        }
        let by_scheme = if base_url.https { https } else { http };
        by_scheme.or_else(|| self.proxy("all_proxy", "ALL_PROXY"))
    }

    /// Returns the proxy in a variable. The lower-case name comes first, as in curl.
    fn proxy(&mut self, lower: &'static str, upper: &'static str) -> Option<ProxyUrl> {
        let variable = if self.text(lower).is_some() { lower } else { upper };
        self.parsed(variable, ProxyUrl::parse)
    }

    fn listen(&self) -> Result<Listen, SettingError> {
        let mut listen = Listen::default();
        if let Some(host) = self.get("HOST")? {
            listen.host = host;
        }
        if let Some(port) = self.get("PORT")? {
            listen.port =
                values::port(&port).map_err(|problem| SettingError::invalid("PORT", problem))?;
        }
        Ok(listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_invalid(variable: &str, value: &str) {
        let settings = Settings::from_pairs(&[(variable, value), ("OPENAI_API_KEY", "sk-test")]);
        let error = settings.error().unwrap_or_else(|| panic!("{variable}={value} is accepted"));
        assert_eq!(error.variable, variable);
        let summary = error.summary();
        // A shorter value can be part of any sentence.
        let shows_value =
            value.len() > 3 && (summary.en.contains(value) || summary.zh.contains(value));
        assert!(!shows_value, "{error:?}");
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let settings = Settings::from_pairs(&[]);
        assert_eq!(
            *settings.base_url.completions_uri(),
            "https://api.openai.com/v1/chat/completions"
        );
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
                && settings.errors.is_empty()
        );
        assert_eq!(settings.error().unwrap().variable, "OPENAI_API_KEY");
    }

    #[test]
    fn only_openai_has_a_second_default_model() {
        assert_eq!(
            Settings::from_pairs(&[("OPENAI_BASE_URL", "https://api.deepseek.com")]).models,
            ["gpt-3.5-turbo"]
        );
        assert_eq!(Settings::from_pairs(&[("OPENAI_MODEL", "a, b ,,c")]).models, ["a", "b", "c"]);
    }

    #[test]
    fn empty_means_unset() {
        let settings = Settings::from_pairs(&[
            ("OPENAI_API_KEY", ""),
            ("ASK_TIMEOUT", " "),
            ("ASK_PARTIAL", ""),
        ]);
        assert!(settings.errors.is_empty() && settings.keys.is_empty());
    }

    #[test]
    fn invalid_values_name_their_variable_only() {
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
            // The scheme that the base URL does not have.
            ("HTTP_PROXY", "ftp://proxy"),
            ("NO_PROXY", "10.1.0.0/33"),
            ("no_proxy", "localhost, http://127.0.0.1/"),
        ] {
            check_invalid(variable, value);
        }
    }

    #[test]
    fn invalid_port_does_not_stop_the_event_function() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "sk-test"), ("PORT", "ninety")]);
        assert_eq!(settings.error(), None);
        assert_eq!(settings.listen.unwrap_err().variable, "PORT");
    }

    #[test]
    fn proxy_is_chosen_by_scheme_and_lower_case_first() {
        let chosen =
            |vars: &[(&str, &str)]| Settings::from_pairs(vars).proxy.map(|proxy| proxy.host);
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
    fn own_keys_are_allowed_until_a_token_is_set() {
        assert!(!Settings::from_pairs(&[("ASK_TOKEN", "t")]).own_keys);
        assert!(Settings::from_pairs(&[("ASK_TOKEN", "t"), ("ASK_OWN_KEYS", "1")]).own_keys);
        assert!(Settings::from_pairs(&[("ASK_PUBLIC_TOKEN", "t")]).own_keys);
    }

    #[test]
    fn debug_form_holds_no_secret() {
        let settings = Settings::from_pairs(&[
            ("OPENAI_API_KEY", "zzkeyzz"),
            ("ASK_TOKEN", "zztokenzz"),
            ("ASK_SIGNING_KEY", "zzsigningzzsigningzz"),
            ("HTTPS_PROXY", "http://me:zzpasswordzz@proxy"),
        ]);
        assert!(!format!("{settings:?}").contains("zz"), "{settings:?}");
        let settings = Settings::from_pairs(&[("HTTPS_PROXY", "http://zzkeyzz@proxy")]);
        assert!(!format!("{settings:?}").contains("zz"), "{settings:?}");
        assert_eq!(settings.redactor().text("user zzkeyzz is out"), "user […] is out");
    }
}
