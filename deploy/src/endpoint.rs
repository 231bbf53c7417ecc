//! The addresses of the cloud's API.

use anyhow::{bail, ensure};
use http::Uri;

/// An address of the API: `https://`, or plain HTTP on a loopback address for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    /// Host and port, as in the `Host` header.
    authority: String,
    loopback: bool,
}

impl Endpoint {
    /// The API of SCF for accounts of cloud.tencent.com.
    pub fn scf() -> Self {
        Self { scheme: "https", authority: "scf.tencentcloudapi.com".to_owned(), loopback: false }
    }

    /// Parses `https://HOST`, `HOST`, or `http://` with a loopback address.
    ///
    /// # Errors
    ///
    /// Fails for other schemes and for an address with a path, a query or a user.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim().trim_end_matches('/');
        let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let Ok(uri) = url.parse::<Uri>() else { bail!("invalid endpoint {text:?}") };
        let (Some(scheme), Some(authority), Some(host)) =
            (uri.scheme_str(), uri.authority(), uri.host())
        else {
            bail!("invalid endpoint {text:?}");
        };
        ensure!(
            matches!(uri.path(), "" | "/") && uri.query().is_none(),
            "invalid endpoint {text:?}: it has a path"
        );
        ensure!(!authority.as_str().contains('@'), "invalid endpoint: it has a user");
        let loopback = is_loopback(host);
        let scheme = match scheme {
            "https" => "https",
            "http" if loopback => "http",
            _ => bail!("invalid endpoint {host:?}: it must begin with https://"),
        };
        Ok(Self { scheme, authority: authority.as_str().to_owned(), loopback })
    }

    /// The API of the log service (CLS) beside this one: `cls.…` for `scf.…`.
    ///
    /// Any other host, such as a loopback address, serves both.
    pub fn cls(&self) -> Self {
        match self.authority.strip_prefix("scf.") {
            Some(rest) => Self { authority: format!("cls.{rest}"), ..self.clone() },
            None => self.clone(),
        }
    }

    /// Host and port, as in the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The URL to post requests to.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.authority)
    }

    /// Returns whether the address is on this machine. No proxy leads there.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The host of the web console that belongs to the API.
    pub(crate) fn console(&self) -> &'static str {
        if self.authority.contains(".intl.") {
            "console.tencentcloud.com"
        } else {
            "console.cloud.tencent.com"
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn endpoint_is_https_or_on_loopback() {
        for (text, url) in [
            ("https://scf.tencentcloudapi.com", "https://scf.tencentcloudapi.com/"),
            ("https://scf.intl.tencentcloudapi.com/", "https://scf.intl.tencentcloudapi.com/"),
            ("scf.ap-tokyo.tencentcloudapi.com", "https://scf.ap-tokyo.tencentcloudapi.com/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://localhost:1", "http://localhost:1/"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().url(), url);
        }
        for text in [
            "",
            "http://scf.tencentcloudapi.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://host/path",
            "https://host/?a=b",
            "https://user:secret@host",
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn log_service_stands_beside_scf() {
        let cls = |text| Endpoint::parse(text).unwrap().cls().authority().to_owned();
        assert_eq!(cls("https://scf.tencentcloudapi.com"), "cls.tencentcloudapi.com");
        assert_eq!(cls("https://scf.intl.tencentcloudapi.com"), "cls.intl.tencentcloudapi.com");
        assert_eq!(cls("http://127.0.0.1:8080"), "127.0.0.1:8080");
    }
}
