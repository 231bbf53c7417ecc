//! Rejects requests that pages of other sites send to a local server.

use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderName, Method, header, request::Parts, uri::Authority};

/// Rejects DNS rebinding and cross-site requests, so that no page in the user's browser can use a
/// server on loopback.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    /// `Host` names to accept besides loopback names.
    pub(crate) hosts: Vec<String>,
    /// Origins to accept; `*` for all.
    pub(crate) origins: Vec<String>,
}

impl Guard {
    /// Checks a request. Returns the error message if it is forbidden.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), String> {
        let headers = &request.headers;
        // Every browser sends Host. HTTP/1.0 clients may not.
        if let Some(host) = text(headers, header::HOST)
            && !is_loopback(host)
            && !self.hosts.iter().any(|allowed| is_same_host(allowed, host))
        {
            return Err(format!("Host {host:?} is not allowed (see --allow-host)"));
        }
        if self.origins.iter().any(|origin| origin == "*") {
            return Ok(());
        }
        match text(headers, header::ORIGIN) {
            Some(origin) if !self.is_allowed(origin, headers) => {
                return Err(format!("origin {origin:?} is not allowed (see --allow-origin)"));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let value = |name| text(headers, HeaderName::from_static(name)).unwrap_or_default();
        let is_navigation = value("sec-fetch-mode") == "navigate";
        // A plain link may be followed. A form, or a link with a query, may have an effect.
        let has_input = request.method != Method::GET || request.uri.query().is_some();
        let forbidden = match value("sec-fetch-site") {
            // A page on another port of this machine is "same-site".
            "cross-site" | "same-site" if self.origins.is_empty() => !is_navigation || has_input,
            "cross-site" => !is_navigation,
            _ => false,
        };
        match forbidden {
            true => Err("cross-site request is not allowed (see --allow-origin)".to_owned()),
            false => Ok(()),
        }
    }

    fn is_allowed(&self, origin: &str, headers: &HeaderMap) -> bool {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let own = match (authority, text(headers, header::HOST)) {
            (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        };
        own || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    // A value that is not text matches no allowed name.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    name == "localhost"
        || name.ends_with(".localhost")
        || name == "[::1]"
        || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

/// Compares a host with an allowed name. The port is ignored if the allowed name has none.
fn is_same_host(allowed: &str, host: &str) -> bool {
    let name = host.parse::<Authority>().map(|authority| authority.host().to_owned());
    allowed.eq_ignore_ascii_case(host) || name.is_ok_and(|name| name.eq_ignore_ascii_case(allowed))
}
