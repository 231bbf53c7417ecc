//! The address of the runtime API.

use std::net::Ipv6Addr;

use anyhow::{Context as _, ensure};
use http::uri::Authority;

/// Reads the address from `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT`, as looked up by `var`.
/// Blanks around a value are trimmed, and an empty variable counts as unset.
pub(crate) fn from_vars(var: impl Fn(&str) -> Option<String>) -> anyhow::Result<Authority> {
    let var = |name| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let api = var("SCF_RUNTIME_API").context("SCF_RUNTIME_API is not set")?;
    parse(&api, var("SCF_RUNTIME_API_PORT").as_deref())
        .context("invalid SCF_RUNTIME_API or SCF_RUNTIME_API_PORT")
}

/// Parses `host` or `host:port`, with or without `http://` before it. An IPv6 address may lack
/// its brackets. `port` applies if the address has no port.
pub(crate) fn parse(address: &str, port: Option<&str>) -> anyhow::Result<Authority> {
    let host = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let host = match host.parse::<Ipv6Addr>() {
        Ok(host) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    };
    let parse = |text: &str| {
        let authority: Authority =
            text.parse().with_context(|| format!("invalid address {text:?}"))?;
        let has_port = authority.as_str() != authority.host();
        ensure!(!has_port || authority.port_u16().is_some(), "invalid port in {text:?}");
        Ok((authority, has_port))
    };
    match (parse(&host)?, port) {
        ((_, false), Some(port)) => Ok(parse(&format!("{host}:{port}"))?.0),
        ((authority, _), _) => Ok(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(api: &str, port: &str, expected: Result<&str, &str>) {
        let address = from_vars(|name| match name {
            "SCF_RUNTIME_API" => Some(api.to_owned()),
            "SCF_RUNTIME_API_PORT" => Some(port.to_owned()),
            _ => None,
        });
        match address {
            Ok(address) => assert_eq!(Ok(address.as_str()), expected),
            Err(error) => assert_eq!(Err(format!("{error:#}").as_str()), expected),
        }
    }

    #[test]
    fn host_and_port_come_from_two_variables() {
        check("127.0.0.1", "9001", Ok("127.0.0.1:9001"));
        check("127.0.0.1", "", Ok("127.0.0.1"));
        check("127.0.0.1:9001", "", Ok("127.0.0.1:9001"));
        check("127.0.0.1:9001", "9002", Ok("127.0.0.1:9001"));
        check("http://runtime/", " 9001\n", Ok("runtime:9001"));
        check("::1", "9001", Ok("[::1]:9001"));
        check("[::1]", "9001", Ok("[::1]:9001"));
        check("[::1]:9001", "9002", Ok("[::1]:9001"));
    }

    #[test]
    fn address_errors_name_the_variables() {
        check("", "9001", Err("SCF_RUNTIME_API is not set"));
        let names = "invalid SCF_RUNTIME_API or SCF_RUNTIME_API_PORT";
        for (api, port, address) in
            [("127.0.0.1", "many", "127.0.0.1:many"), ("a", "99999", "a:99999")]
        {
            check(api, port, Err(&format!("{names}: invalid port in {address:?}")));
        }
        check("a b", "", Err(&format!("{names}: invalid address \"a b\": invalid uri character")));
    }
}
