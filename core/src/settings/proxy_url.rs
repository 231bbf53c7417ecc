//! The proxy proxy, chosen as curl does: `NO_PROXY` first, then by the scheme of the base URL.

use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::base_url::BaseUrl;
use super::secret::Secret;
use crate::lang::Localized;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP `CONNECT`.
    Http,
    /// SOCKS5. The upstream host is resolved locally.
    Socks5,
    /// SOCKS5. The upstream host is resolved by the proxy.
    Socks5h,
}

/// The parsed URL of an egress proxy.
#[derive(Clone, Debug)]
pub struct ProxyUrl {
    /// Protocol.
    pub scheme: ProxyScheme,
    /// Host. An IPv6 address has brackets.
    pub host: String,
    /// Port, by default 80 for HTTP and 1080 for SOCKS.
    pub port: u16,
    /// User and password. Without a password, the user itself may be a key.
    pub credentials: Option<(Secret, Secret)>,
}

impl ProxyUrl {
    /// Parses `[scheme://][user:password@]host[:port]`. The default scheme is HTTP.
    ///
    /// # Errors
    /// If the scheme is not `http`, `socks5` or `socks5h`, or if host or port are invalid.
    pub fn parse(value: &str) -> Result<Self, Localized> {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyScheme::Http, 80),
            "socks5" => (ProxyScheme::Socks5, 1080),
            "socks5h" => (ProxyScheme::Socks5h, 1080),
            _ => {
                return Err(Localized::new(
                    "must begin with http://, socks5:// or socks5h://",
                    "应以 http://、socks5:// 或 socks5h:// 开头",
                ));
            }
        };
        let not_a_proxy = || {
            Localized::new(
                "must be a proxy such as http://127.0.0.1:7890",
                "应是 http://127.0.0.1:7890 这样的代理地址",
            )
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        let credentials = credentials
            .map(|credentials| {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                let decoded = |part| percent_decode_str(part).decode_utf8().map(String::from);
                Ok((Secret::new(decoded(user)?), Secret::new(decoded(password)?)))
            })
            .transpose()
            .map_err(|_: std::str::Utf8Error| not_a_proxy())?;
        let authority: http::uri::Authority = authority.parse().map_err(|_| not_a_proxy())?;
        let port = match &authority.as_str()[authority.host().len()..] {
            "" => default_port,
            named => named.trim_start_matches(':').parse().map_err(|_| not_a_proxy())?,
        };
        if authority.host().is_empty() || port == 0 {
            return Err(not_a_proxy());
        }
        Ok(Self { scheme, host: authority.host().to_owned(), port, credentials })
    }

    /// Returns `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the secret part of the credentials: the password, or the user without one.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        let (user, password) = self.credentials.as_ref()?;
        Some(if password.expose().is_empty() { user } else { password })
    }
}

/// Returns whether `NO_PROXY` covers the base URL.
///
/// An entry is `*`, a host (its subdomains included), an IP address or a CIDR block. A host or an
/// address may be limited to one port.
///
/// # Errors
/// If an entry with a slash is not a CIDR block, such as a URL.
pub(super) fn bypasses_proxy(no_proxy: &str, base_url: &BaseUrl) -> Result<bool, Localized> {
    let host = base_url.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    let entries = || no_proxy.split([',', ' ']).filter(|entry| !entry.is_empty());
    if entries().any(|entry| entry.contains('/') && entry.parse::<IpNet>().is_err()) {
        let en = "holds an invalid CIDR block (use 10.0.0.0/8, or a host without scheme and path)";
        return Err(Localized::new(en, "里的网段应写成 10.0.0.0/8 的形式，主机名不带协议和路径"));
    }
    Ok(entries().any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Ok(network) = entry.parse::<IpNet>() {
            return address.is_some_and(|address| network.contains(&address));
        }
        let bare = entry.trim_start_matches('[').trim_end_matches(']');
        if let Ok(named) = bare.parse::<IpAddr>() {
            return address == Some(named);
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (entry.as_str(), None),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = name.strip_prefix('*').unwrap_or(name).trim_start_matches('.');
        let below =
            host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !name.is_empty() && below && port.is_none_or(|port| port == base_url.port().to_string())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_urls_are_parsed() {
        for (value, scheme, host, port, credentials) in [
            ("http://127.0.0.1:7890", ProxyScheme::Http, "127.0.0.1", 7890, None),
            ("proxy.example", ProxyScheme::Http, "proxy.example", 80, None),
            ("proxy.example:3128/", ProxyScheme::Http, "proxy.example", 3128, None),
            ("socks5://[::1]:1081", ProxyScheme::Socks5, "[::1]", 1081, None),
            ("SOCKS5h://me:p%40ss@host", ProxyScheme::Socks5h, "host", 1080, Some(("me", "p@ss"))),
        ] {
            let proxy = ProxyUrl::parse(value).unwrap();
            assert_eq!(
                (proxy.scheme, proxy.host.as_str(), proxy.port),
                (scheme, host, port),
                "{value}"
            );
            let found = proxy.credentials.as_ref();
            let found = found.map(|(user, password)| (user.expose(), password.expose()));
            assert_eq!(found, credentials, "{value}");
        }
    }

    #[test]
    fn unsupported_proxy_urls_are_rejected() {
        for value in [
            "https://p:1",
            "socks4://p",
            "ftp://p",
            "http://",
            "http://p:99999",
            "http://p:",
            "p:0",
            "a b",
        ] {
            assert!(ProxyUrl::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn no_proxy_matches_suffixes_addresses_and_cidr_blocks() {
        let check = |no_proxy: &str, url: &str, expected: bool| {
            assert_eq!(
                bypasses_proxy(no_proxy, &BaseUrl::parse(url).unwrap()),
                Ok(expected),
                "{no_proxy} {url}"
            );
        };
        check("*", "https://api.openai.com/v1", true);
        check("openai.com", "https://api.openai.com/v1", true);
        check(".openai.com", "https://api.openai.com/v1", true);
        check("*.openai.com", "https://API.openai.com/v1", true);
        check("localhost, openai.com", "https://api.openai.com/v1", true);
        check("penai.com", "https://api.openai.com/v1", false);
        check("api.openai.com:443", "https://api.openai.com/v1", true);
        check("api.openai.com:8443", "https://api.openai.com/v1", false);
        check("127.0.0.0/8", "http://127.0.0.1:1/v1", true);
        check("10.0.0.0/8", "http://127.0.0.1:1/v1", false);
        check("::1", "http://[::1]:1/v1", true);
        check("[::1]:1", "http://[::1]:1/v1", true);
        check("fd00::/8", "http://[fd00::2]/v1", true);
        check("", "https://api.openai.com/v1", false);
        for invalid in ["10.0.0.0/33", "localhost, 10.0.0/8", "http://localhost/", "*, fd00::/x"] {
            let base_url = BaseUrl::parse("https://api.openai.com/v1").unwrap();
            assert!(bypasses_proxy(invalid, &base_url).is_err(), "{invalid}");
        }
    }
}
