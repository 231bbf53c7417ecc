//! The address of a deployed function.

use ask_core::query::Query;
use ask_core::settings::BaseUrl;
use http::Uri;

use super::error::Error;

/// The address of a deployed function, or a signed link.
pub(super) struct Address {
    /// Scheme, host and port.
    pub(super) base: BaseUrl,
    origin: String,
    path: String,
    /// The query as it is written.
    query: String,
}

impl Address {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is invalid.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |reason_en: &str, reason_zh: &str| {
            Error::usage(format!("invalid URL: {reason_en}"), format!("无效的网址：{reason_zh}"))
        };
        let not_a_url = || invalid("use https://host/path", "应是 https://host/path 的形式");
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(not_a_url());
        };
        let origin = format!("{scheme}://{authority}");
        let base = BaseUrl::parse(&origin).map_err(|reason| invalid(&reason.en, &reason.zh))?;
        let query = uri.query().unwrap_or_default().to_owned();
        Query::parse(query.as_bytes())
            .map_err(|_| invalid("its query is not UTF-8", "查询参数不是 UTF-8"))?;
        Ok(Self { base, origin, path: uri.path().to_owned(), query })
    }

    /// Returns scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether the query is empty.
    pub(super) fn is_bare(&self) -> bool {
        self.query.is_empty()
    }

    /// Returns whether the query has a value of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parsed().get(name).is_some()
    }

    /// Returns the question in the query.
    pub(super) fn question(&self) -> Option<String> {
        self.parsed().question().map(str::to_owned)
    }

    /// Returns whether the host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.base.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }

    /// Returns the URL with these members in place of those of the same name in its query.
    pub(super) fn with(&self, members: &[(&str, &str)]) -> Uri {
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && members.iter().all(|(replaced, _)| *replaced != name)
        };
        let kept = self.query.split('&').filter(is_kept).map(str::to_owned);
        let added = members.iter().map(|(name, value)| format!("{name}={value}"));
        let query: Vec<_> = kept.chain(added).collect();
        self.uri(&self.path, &query.join("&"))
    }

    /// Returns the URL without its query.
    pub(super) fn without_query(&self) -> Uri {
        self.uri(&self.path, "")
    }

    /// Returns the URL of the health check. It is beside `/ask`, and below a gateway's stage.
    pub(super) fn health(&self) -> Uri {
        let folder = self.path.trim_end_matches('/');
        let folder = folder.strip_suffix("/ask").unwrap_or(folder);
        self.uri(&format!("{folder}/healthz"), "")
    }

    fn parsed(&self) -> Query {
        // Cannot fail: the query was parsed before.
        Query::parse(self.query.as_bytes()).unwrap_or_default()
    }

    fn uri(&self, path: &str, query: &str) -> Uri {
        let mark = if query.is_empty() { "" } else { "?" };
        // Cannot fail: all parts come from a URL, and what is added is encoded.
        format!("{}{path}{mark}{query}", self.origin).parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error:?}"))
    }

    #[test]
    fn members_of_the_query_are_replaced() {
        let url = "https://fn.example/a?question=C%2B%2B&exp=1&format=text&sig=x";
        assert_eq!(
            address(url).with(&[("format", "sse")]),
            "https://fn.example/a?question=C%2B%2B&exp=1&sig=x&format=sse"
        );
        assert_eq!(address("http://fn:1").with(&[("format", "sse")]), "http://fn:1/?format=sse");
        assert_eq!(address(url).without_query(), "https://fn.example/a");
        assert_eq!(address(url).question().as_deref(), Some("C++"));
        assert!(address(url).has("sig") && !address(url).has("token"));
    }

    #[test]
    fn health_check_is_beside_the_question_endpoint() {
        for (url, health) in [
            ("https://fn.example", "https://fn.example/healthz"),
            ("https://fn.example/ask?q=a", "https://fn.example/healthz"),
            ("https://fn.example/release/", "https://fn.example/release/healthz"),
            ("https://fn.example/release/ask/", "https://fn.example/release/healthz"),
        ] {
            assert_eq!(address(url).health(), health);
        }
    }

    #[test]
    fn only_http_urls_are_addresses() {
        for url in
            ["fn.example", "/a", "ftp://fn.example/", "https://me@fn.example/", "https://", ""]
        {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
