//! The `Host` guard of a local server, against DNS rebinding.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::settings::Settings;

/// Returns whether every host that the request names is a name of this machine: a loopback name,
/// or one in `ASK_HOSTS`.
///
/// A page on another name that resolves to this machine must not drive a local server. A request
/// without `Host` names nothing and does not pass.
pub fn is_local_host(settings: &Settings, headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    let target = uri.authority().map(|authority| Some(authority.as_str()));
    let Some(first) = hosts.next() else { return false };
    [Some(first), target].into_iter().flatten().chain(hosts).all(|host| {
        let authority: Option<Authority> = host.and_then(|host| host.parse().ok());
        authority
            .is_some_and(|authority| is_local_name(settings, authority.host(), authority.as_str()))
    })
}

/// Returns whether browsers know the name as local.
///
/// For other names, such as `[::ffff:127.0.0.1]`, browsers send no `Sec-Fetch-Site`, so that an
/// image on any page could ask.
fn is_local_name(settings: &Settings, host: &str, authority: &str) -> bool {
    let is_listed =
        |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        || bare.eq_ignore_ascii_case("localhost")
        || bare.to_ascii_lowercase().ends_with(".localhost")
        || settings.hosts.iter().any(is_listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&str], uri: &str, expected: bool) {
        let settings = Settings::from_pairs(&[("ASK_HOSTS", "my-machine, nas.lan:8080")]);
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        assert_eq!(
            is_local_host(&settings, &headers, &uri.parse().unwrap()),
            expected,
            "{hosts:?}"
        );
    }

    #[test]
    fn loopback_and_listed_names_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:9000",
            "a.localhost",
            "127.0.0.1:9000",
            "127.9.9.9",
            "[::1]:9000",
            "My-Machine:1",
            "nas.lan:8080",
        ] {
            check(&[host], "/", true);
        }
        for host in [
            "",
            "evil.example",
            "nas.lan",
            "localhost.evil.example",
            "[::ffff:127.0.0.1]",
            "10.0.0.1",
        ] {
            check(&[host], "/", false);
        }
    }

    #[test]
    fn every_host_of_a_request_must_be_local() {
        check(&[], "/", false);
        check(&["localhost", "evil.example"], "/", false);
        check(&["localhost"], "http://evil.example/", false);
        check(&["localhost"], "http://127.0.0.1:9000/", true);
    }
}
