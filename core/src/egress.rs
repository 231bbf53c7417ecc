//! The proxy on the way to the provider, chosen as curl does: by the scheme of the URL, `NO_PROXY` first.

use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use crate::base_url::BaseUrl;
use crate::lang::Sentence;
use crate::secret::Secret;

/// What the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressKind {
    /// HTTP `CONNECT`.
    Http,
    /// SOCKS5; the provider's name is resolved here.
    Socks5,
    /// SOCKS5; the provider's name is resolved by the proxy.
    Socks5h,
}

/// A proxy on the way to the provider.
#[derive(Clone, Debug)]
pub struct Egress {
    /// What it speaks.
    pub kind: EgressKind,
    /// Host; an IPv6 address has its brackets.
    pub host: String,
    /// Port; 80 for HTTP and 1080 for SOCKS where none is named.
    pub port: u16,
    /// User and password; who has no password may have a key for a user.
    pub login: Option<(Secret, Secret)>,
}

impl Egress {
    /// Reads `[scheme://][user:password@]host[:port]`; no scheme means HTTP.
    pub fn parse(value: &str) -> Result<Self, Sentence> {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (EgressKind::Http, 80),
            "socks5" => (EgressKind::Socks5, 1080),
            "socks5h" => (EgressKind::Socks5h, 1080),
            _ => {
                return Err(Sentence::new(
                    "must begin with http://, socks5:// or socks5h://",
                    "应以 http://、socks5:// 或 socks5h:// 开头",
                ));
            }
        };
        let not_a_proxy = || {
            Sentence::new(
                "must be a proxy such as http://127.0.0.1:7890",
                "应是 http://127.0.0.1:7890 这样的代理地址",
            )
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, rest),
        };
        let login = login
            .map(|login| {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
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
        Ok(Self { kind, host: authority.host().to_owned(), port, login })
    }

    /// What of the login is secret: the password, or the user where there is none.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        let (user, password) = self.login.as_ref()?;
        Some(if password.expose().is_empty() { user } else { password })
    }
}

/// Whether `NO_PROXY` names the provider: `*`, a host with all below it, an address or a network, each
/// with a port where it is meant for that port alone. Fails where a network is none.
pub fn bypasses(no_proxy: &str, base_url: &BaseUrl) -> Result<bool, Sentence> {
    let host = base_url.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    let entries = || no_proxy.split([',', ' ']).filter(|entry| !entry.is_empty());
    if entries().any(|entry| entry.contains('/') && entry.parse::<IpNet>().is_err()) {
        let en = "must name networks as 10.0.0.0/8, and hosts without a scheme or a path";
        return Err(Sentence::new(en, "里的网段应写成 10.0.0.0/8 的形式，主机名不带协议和路径"));
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
    fn proxies_are_read() {
        for (value, kind, host, port, user) in [
            ("http://127.0.0.1:7890", EgressKind::Http, "127.0.0.1", 7890, None),
            ("proxy.example", EgressKind::Http, "proxy.example", 80, None),
            ("proxy.example:3128/", EgressKind::Http, "proxy.example", 3128, None),
            ("socks5://[::1]:1081", EgressKind::Socks5, "[::1]", 1081, None),
            ("SOCKS5h://me:p%40ss@host", EgressKind::Socks5h, "host", 1080, Some(("me", "p@ss"))),
        ] {
            let egress = Egress::parse(value).unwrap();
            assert_eq!(
                (egress.kind, egress.host.as_str(), egress.port),
                (kind, host, port),
                "{value}"
            );
            let login =
                egress.login.as_ref().map(|(name, password)| (name.expose(), password.expose()));
            assert_eq!(login, user, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
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
            assert!(Egress::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn no_proxy_knows_suffixes_addresses_and_networks() {
        let check = |no_proxy: &str, url: &str, expected: bool| {
            assert_eq!(
                bypasses(no_proxy, &BaseUrl::parse(url).unwrap()),
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
        for no_network in ["10.0.0.0/33", "localhost, 10.0.0/8", "http://localhost/", "*, fd00::/x"]
        {
            let base_url = BaseUrl::parse("https://api.openai.com/v1").unwrap();
            assert!(bypasses(no_network, &base_url).is_err(), "{no_network}");
        }
    }
}
