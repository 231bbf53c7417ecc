//! The base URL of the upstream API.

use http::Uri;
use http::uri::Scheme;

use crate::lang::Localized;

const OPENAI_HOST: &str = "api.openai.com";

/// The parsed base URL: everything before `/chat/completions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `true` for `https`, `false` for `http`.
    pub https: bool,
    /// Host, with the port if the URL names one.
    pub authority: String,
    /// Path with a leading slash and no trailing one, or empty.
    pub path: String,
    completions: Uri,
}

impl Default for BaseUrl {
    /// Returns OpenAI's base URL.
    fn default() -> Self {
        let completions = Uri::from_static("https://api.openai.com/v1/chat/completions");
        Self { https: true, authority: OPENAI_HOST.into(), path: "/v1".into(), completions }
    }
}

impl BaseUrl {
    /// Parses a base URL, with or without a trailing slash.
    ///
    /// # Errors
    /// If the URL is invalid, is not `http://` or `https://`, holds a user, a query or a fragment,
    /// or ends in `/chat/completions`.
    pub fn parse(url: &str) -> Result<Self, Localized> {
        if url.contains(['?', '#']) {
            return Err(Localized::new(
                "must not have a query or a fragment",
                "不能带查询参数或片段",
            ));
        }
        let not_a_url = || {
            Localized::new(
                "must be a URL such as https://api.openai.com/v1",
                "应是 https://api.openai.com/v1 这样的网址",
            )
        };
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => {
                return Err(Localized::new(
                    "must begin with https:// or http://",
                    "应以 https:// 或 http:// 开头",
                ));
            }
        };
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if authority.as_str().contains('@') {
            return Err(Localized::new("must not hold a user name", "不能带用户名"));
        }
        let port = &authority.as_str()[authority.host().len()..];
        let is_port = port.is_empty() || port.trim_start_matches(':').parse::<u16>().is_ok();
        if authority.host().is_empty() || !is_port {
            return Err(not_a_url());
        }
        let is_openai = authority.host().eq_ignore_ascii_case(OPENAI_HOST);
        let path = match uri.path().trim_end_matches('/') {
            // Documents show OpenAI's address without the path of its only version.
            "" if is_openai => "/v1",
            path => path,
        };
        if path.ends_with("/chat/completions") {
            return Err(Localized::new(
                "must end before /chat/completions",
                "应去掉末尾的 /chat/completions",
            ));
        }
        let scheme = if https { "https" } else { "http" };
        let completions = format!("{scheme}://{authority}{path}/chat/completions");
        let completions = completions.parse().map_err(|_| not_a_url())?;
        Ok(Self { https, authority: authority.to_string(), path: path.to_owned(), completions })
    }

    /// Returns the host without the port. An IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        match self.authority.rfind(':') {
            Some(colon) if !self.authority[colon..].contains(']') => &self.authority[..colon],
            _ => &self.authority,
        }
    }

    /// Returns the port, by default that of the scheme.
    pub fn port(&self) -> u16 {
        let named = self.authority[self.host().len()..].strip_prefix(':');
        let by_scheme = if self.https { 443 } else { 80 };
        named.and_then(|port| port.parse().ok()).unwrap_or(by_scheme)
    }

    /// Returns the URL of the chat completions endpoint.
    pub fn completions_uri(&self) -> &Uri {
        &self.completions
    }

    /// Returns whether this is OpenAI's own API.
    pub fn is_openai(&self) -> bool {
        self.host().eq_ignore_ascii_case(OPENAI_HOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, completions: &str, host: &str, port: u16) {
        let base = BaseUrl::parse(url).unwrap();
        assert_eq!(
            (base.completions_uri().to_string().as_str(), base.host(), base.port()),
            (completions, host, port)
        );
    }

    #[test]
    fn path_and_trailing_slash_are_optional() {
        let completions = "https://api.openai.com/v1/chat/completions";
        check("https://api.openai.com/v1", completions, "api.openai.com", 443);
        check("https://api.openai.com/v1/", completions, "api.openai.com", 443);
        check("https://api.openai.com", completions, "api.openai.com", 443);
        check(
            "https://api.deepseek.com",
            "https://api.deepseek.com/chat/completions",
            "api.deepseek.com",
            443,
        );
        check("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b/chat/completions", "[::1]", 8080);
        check("http://[::1]", "http://[::1]/chat/completions", "[::1]", 80);
    }

    #[test]
    fn invalid_base_urls_are_rejected_with_the_reason() {
        for (url, expected) in [
            ("api.openai.com/v1", "must be a URL"),
            ("ftp://api.openai.com", "must begin with"),
            ("https://me:pw@api.openai.com/v1", "user name"),
            ("https://api.openai.com/v1?key=1", "query"),
            ("https://api.openai.com/v1#top", "query"),
            ("https://api.openai.com/v1/chat/completions", "must end before"),
            ("https://", "must be a URL"),
            ("https://api.openai.com:99999/v1", "must be a URL"),
            ("/v1", "must begin with"),
            ("你好", "must be a URL"),
        ] {
            let reason = BaseUrl::parse(url).unwrap_err().en;
            assert!(reason.contains(expected), "{url}: {reason}");
        }
    }
}
