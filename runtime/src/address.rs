//! The address of the runtime API.

use std::net::Ipv6Addr;

use http::uri::Authority;

use crate::error::Error;

/// Reads the address from `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT`, as looked up by `var`.
/// Blanks around a value are trimmed, and an empty variable counts as unset.
pub(crate) fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Authority, Error> {
    let var = |name| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let api = var("SCF_RUNTIME_API").ok_or(Error::MissingAddress)?;
    parse(&api, var("SCF_RUNTIME_API_PORT").as_deref()).map_err(|reason| {
        Error::InvalidAddress(format!("{reason} (SCF_RUNTIME_API, SCF_RUNTIME_API_PORT)"))
    })
}

/// Parses `host` or `host:port`, with or without `http://` before it. An IPv6 address may lack
/// its brackets. `port` applies if the address has no port.
///
/// # Errors
/// Returns the reason if the address is invalid.
pub(crate) fn parse(address: &str, port: Option<&str>) -> Result<Authority, String> {
    let host = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let host = match host.parse::<Ipv6Addr>() {
        Ok(host) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    };
    let parse = |text: &str| {
        let authority: Authority = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
        let has_port = authority.as_str() != authority.host();
        if has_port && authority.port_u16().is_none() {
            return Err(format!("invalid port in {text:?}"));
        }
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
            Err(error) => assert_eq!(Err(error.to_string().as_str()), expected),
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
        check("", "9001", Err(&Error::MissingAddress.to_string()));
        for (api, port, reason) in [
            ("127.0.0.1", "many", "invalid port in \"127.0.0.1:many\""),
            ("a", "99999", "invalid port in \"a:99999\""),
            ("a b", "", "\"a b\": invalid uri character"),
        ] {
            let error = format!(
                "invalid address of the runtime API: {reason} \
                 (SCF_RUNTIME_API, SCF_RUNTIME_API_PORT)"
            );
            check(api, port, Err(&error));
        }
    }
}
