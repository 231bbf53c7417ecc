use std::net::Ipv4Addr;

use axum::http::{HeaderMap, HeaderName, Method, header, request::Parts, uri::Authority};

/// Keeps pages in the user's browser away from a server on loopback: neither a name that was rebound to 127.0.0.1
/// nor a cross-site request gets through.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    /// Names besides the loopback ones.
    pub(crate) hosts: Vec<String>,
    /// Origins that are let through; `*` for all.
    pub(crate) origins: Vec<String>,
}

impl Guard {
    /// A sentence where the request must be refused.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), String> {
        let headers = &request.headers;
        // No Host at all: HTTP/1.0, and so no browser.
        if let Some(host) = text(headers, header::HOST)
            && !is_loopback(host)
            && !self.hosts.iter().any(|allowed| is_same_host(allowed, host))
        {
            return Err(format!(
                "Host {host:?} is not a name of this machine: a local server answers loopback names only."
            ));
        }
        if self.origins.iter().any(|origin| origin == "*") {
            return Ok(());
        }
        match text(headers, header::ORIGIN) {
            Some(origin) if !self.is_allowed(origin, headers) => {
                return Err(format!("A page of origin {origin:?} may not call this local server."));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let said = |name| text(headers, HeaderName::from_static(name)).unwrap_or_default();
        let navigates = said("sec-fetch-mode") == "navigate";
        // A link to the function is followed; a form that another page sends, or a link with a query, asks something.
        let asks = request.method != Method::GET || request.uri.query().is_some();
        let refused = match said("sec-fetch-site") {
            // Another port of this machine is the same site, and another page all the same.
            "cross-site" | "same-site" if self.origins.is_empty() => !navigates || asks,
            "cross-site" => !navigates,
            _ => false,
        };
        match refused {
            true => Err("A page of another site may not call this local server.".to_owned()),
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
    // A value that is no text is no name that anybody allowed.
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

/// With or without the port, which an allowed name need not have.
fn is_same_host(allowed: &str, host: &str) -> bool {
    let name = host.parse::<Authority>().map(|authority| authority.host().to_owned());
    allowed.eq_ignore_ascii_case(host) || name.is_ok_and(|name| name.eq_ignore_ascii_case(allowed))
}
