//! Where the provider is.

use http::Uri;
use http::uri::Scheme;

use crate::lang::Sentence;

/// Everything before `/chat/completions`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `https`, else `http`.
    pub https: bool,
    /// Host and, where it was named, port.
    pub authority: String,
    /// Begins with a slash and does not end in one, or is empty.
    pub path: String,
}

impl Default for BaseUrl {
    /// OpenAI's own.
    fn default() -> Self {
        Self { https: true, authority: "api.openai.com".into(), path: "/v1".into() }
    }
}

impl BaseUrl {
    /// Reads a base URL, with or without a trailing slash. Fails with what is wrong with it: no `http://` or
    /// `https://`, a user, a query, a fragment, or the end point itself.
    pub fn parse(url: &str) -> Result<Self, Sentence> {
        if url.contains(['?', '#']) {
            return Err(Sentence::new(
                "must not have a query or a fragment",
                "不能带查询参数或片段",
            ));
        }
        let not_a_url = || {
            Sentence::new(
                "must be a URL such as https://api.openai.com/v1",
                "应是 https://api.openai.com/v1 这样的网址",
            )
        };
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => {
                return Err(Sentence::new(
                    "must begin with https:// or http://",
                    "应以 https:// 或 http:// 开头",
                ));
            }
        };
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if authority.as_str().contains('@') {
            return Err(Sentence::new("must not hold a user name", "不能带用户名"));
        }
        let port = &authority.as_str()[authority.host().len()..];
        let is_port = port.is_empty() || port.trim_start_matches(':').parse::<u16>().is_ok();
        if authority.host().is_empty() || !is_port {
            return Err(not_a_url());
        }
        let path = uri.path().trim_end_matches('/');
        if path.ends_with("/chat/completions") {
            return Err(Sentence::new(
                "must end before /chat/completions",
                "应去掉末尾的 /chat/completions",
            ));
        }
        Ok(Self { https, authority: authority.to_string(), path: path.to_owned() })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The host without the port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        match self.authority.rfind(':') {
            Some(colon) if !self.authority[colon..].contains(']') => &self.authority[..colon],
            _ => &self.authority,
        }
    }

    /// The port, by the scheme where none is named.
    pub fn port(&self) -> u16 {
        let named = self.authority[self.host().len()..].strip_prefix(':');
        let by_scheme = if self.https { 443 } else { 80 };
        named.and_then(|port| port.parse().ok()).unwrap_or(by_scheme)
    }

    /// Where questions are posted.
    pub fn completions(&self) -> String {
        format!("{}://{}{}/chat/completions", self.scheme(), self.authority, self.path)
    }

    /// Whether it is OpenAI's own.
    pub fn is_openai(&self) -> bool {
        self.host().eq_ignore_ascii_case("api.openai.com")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, completions: &str, host: &str, port: u16) {
        let base = BaseUrl::parse(url).unwrap();
        assert_eq!(
            (base.completions().as_str(), base.host(), base.port()),
            (completions, host, port)
        );
    }

    #[test]
    fn with_or_without_a_path_and_a_slash() {
        let completions = "https://api.openai.com/v1/chat/completions";
        check("https://api.openai.com/v1", completions, "api.openai.com", 443);
        check("https://api.openai.com/v1/", completions, "api.openai.com", 443);
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
    fn what_is_wrong_with_it_is_said() {
        for (url, fault) in [
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
            let said = BaseUrl::parse(url).unwrap_err().en;
            assert!(said.contains(fault), "{url}: {said}");
        }
    }
}
