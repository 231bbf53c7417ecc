//! The key of a proxied request: the client's own, or the server's.

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::ProxyError;
use crate::failure::Failure;
use crate::settings::{Secret, SettingError, Settings, matches_any};

/// The headers of a key: the usual one, Azure's, and the one that a browser can set on a WebSocket.
static CREDENTIALS: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("api-key"), SEC_WEBSOCKET_PROTOCOL];

/// The prefix of a key among the subprotocols of a WebSocket.
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";

/// The owner of the key that goes upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The client's own key, unchanged.
    Client,
    /// The server's key, in the place of a token.
    Server,
}

impl KeySource {
    /// Decides by the credentials of a request.
    ///
    /// # Errors
    /// Without a key or a token, with a token of the question endpoint only, with a client key that
    /// `ASK_OWN_KEYS` does not allow, and if the server has no key.
    pub fn from_headers(settings: &Settings, headers: &HeaderMap) -> Result<Self, ProxyError> {
        let credentials: Vec<_> = credentials(headers).collect();
        let keys = || credentials.iter().flat_map(|(name, value)| keys_in(name, value));
        if keys().fold(false, |found, key| found | matches_any(&settings.tokens, key)) {
            return match settings.keys.is_empty() {
                true => Err(Failure::Config(SettingError::missing("OPENAI_API_KEY")).into()),
                false => Ok(Self::Server),
            };
        }
        if keys().next().is_none() {
            return Err(ProxyError::KeyMissing);
        }
        // A token in the wrong form must not reach the upstream as a key.
        let has_token = credentials.iter().any(|(_, value)| holds_token(settings, value));
        match settings.own_keys && !has_token {
            true => Ok(Self::Client),
            false => Err(ProxyError::KeyRefused),
        }
    }
}

/// Returns the credentials with the server's key in the place of tokens, and no other key.
pub(super) fn replace_credentials(
    settings: &Settings,
    headers: &HeaderMap,
    key: &Secret,
) -> Vec<(HeaderName, HeaderValue)> {
    let replace = |token: &str| matches_any(&settings.tokens, token).then(|| key.expose());
    credentials(headers)
        .filter_map(|(name, value)| {
            let replaced = match *name {
                AUTHORIZATION => format!("Bearer {}", replace(keys_in(name, value).next()?)?),
                SEC_WEBSOCKET_PROTOCOL => {
                    let protocols = subprotocols(value).filter_map(|protocol| {
                        match protocol.strip_prefix(KEY_SUBPROTOCOL) {
                            Some(token) => {
                                replace(token).map(|key| format!("{KEY_SUBPROTOCOL}{key}"))
                            }
                            None => (!holds_token(settings, protocol)).then(|| protocol.to_owned()),
                        }
                    });
                    let protocols = protocols.collect::<Vec<_>>().join(", ");
                    Some(protocols).filter(|protocols| !protocols.is_empty())?
                }
                _ => replace(value)?.to_owned(),
            };
            let mut value = HeaderValue::try_from(replaced).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        })
        .collect()
}

/// Returns whether a header may hold a key.
pub(super) fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.contains(name)
}

/// Returns whether a word of a header value is one of the server's tokens.
pub(super) fn holds_token(settings: &Settings, value: &str) -> bool {
    let words = || {
        let words = value.split([' ', '\t', ',', ';', '=', '"']);
        words.map(|word| word.strip_prefix(KEY_SUBPROTOCOL).unwrap_or(word))
    };
    let mut tokens = settings.tokens.iter().chain(&settings.public_tokens);
    tokens.any(|token| words().any(|word| token.matches(word)))
}

fn credentials(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &str)> {
    CREDENTIALS.iter().flat_map(|name| {
        headers
            .get_all(name)
            .iter()
            .filter_map(move |value| Some((name, value.to_str().ok()?.trim())))
    })
}

/// Returns the keys in the value of one of the [`CREDENTIALS`].
fn keys_in<'a>(name: &HeaderName, value: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (key, protocols) = match *name {
        AUTHORIZATION => match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => (key.trim(), ""),
            _ if value.eq_ignore_ascii_case("bearer") => ("", ""),
            _ => (value, ""),
        },
        SEC_WEBSOCKET_PROTOCOL => ("", value),
        _ => (value, ""),
    };
    let in_protocols =
        subprotocols(protocols).filter_map(|protocol| protocol.strip_prefix(KEY_SUBPROTOCOL));
    std::iter::once(key).chain(in_protocols).filter(|key| !key.is_empty())
}

fn subprotocols(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(own_keys: &str) -> Settings {
        let vars = [
            ("OPENAI_API_KEY", "sk-server"),
            ("ASK_TOKEN", "owner,second"),
            ("ASK_PUBLIC_TOKEN", "public"),
            ("ASK_OWN_KEYS", own_keys),
        ];
        Settings::from_pairs(&vars)
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(
        lines: &[(&'static str, &str)],
        own_keys: &str,
        expected: Result<KeySource, ProxyError>,
    ) {
        assert_eq!(
            KeySource::from_headers(&settings(own_keys), &headers(lines)),
            expected,
            "{lines:?}"
        );
    }

    #[test]
    fn token_in_any_place_uses_the_server_key() {
        for line in [
            ("authorization", "Bearer owner"),
            ("authorization", "bearer   second"),
            ("api-key", "owner"),
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.second"),
        ] {
            check(&[line], "0", Ok(KeySource::Server));
            check(&[line], "1", Ok(KeySource::Server));
        }
        check(
            &[("authorization", "Bearer sk-own"), ("api-key", "owner")],
            "1",
            Ok(KeySource::Server),
        );
    }

    #[test]
    fn client_key_passes_if_own_keys_are_allowed() {
        for line in [
            ("authorization", "Bearer sk-own"),
            ("authorization", "Basic b3duZXI6"),
            ("api-key", "own"),
            ("sec-websocket-protocol", "openai-insecure-api-key.sk-own"),
        ] {
            check(&[line], "1", Ok(KeySource::Client));
            check(&[line], "0", Err(ProxyError::KeyRefused));
        }
    }

    #[test]
    fn request_without_a_key_is_rejected() {
        for lines in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("api-key", " ")],
            &[("sec-websocket-protocol", "realtime")],
            &[("x-ask-token", "owner")],
        ] {
            check(lines, "1", Err(ProxyError::KeyMissing));
        }
    }

    #[test]
    fn misplaced_and_public_tokens_are_rejected() {
        for line in [
            ("authorization", "Bearer public"),
            ("api-key", "public"),
            ("sec-websocket-protocol", "openai-insecure-api-key.public"),
            ("authorization", "Basic owner"),
            ("authorization", "Bearer owner,other"),
        ] {
            check(&[line], "1", Err(ProxyError::KeyRefused));
        }
    }

    #[test]
    fn server_without_a_key_is_a_config_failure() {
        let settings = Settings::from_pairs(&[("ASK_TOKEN", "owner")]);
        let result =
            KeySource::from_headers(&settings, &headers(&[("authorization", "Bearer owner")]));
        assert_eq!(result.unwrap_err().code(), "config");
    }

    #[test]
    fn server_key_replaces_tokens_and_other_keys_are_dropped() {
        let replaced = |lines: &[(&'static str, &str)]| {
            let key = Secret::new("sk-server".into());
            let replaced = replace_credentials(&settings("1"), &headers(lines), &key).into_iter();
            replaced
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            replaced(&[("authorization", "Bearer owner")]),
            ["authorization: Bearer sk-server"]
        );
        assert_eq!(
            replaced(&[("api-key", "owner"), ("authorization", "Bearer sk-own")]),
            ["api-key: sk-server"]
        );
        assert_eq!(
            replaced(&[(
                "sec-websocket-protocol",
                "realtime, openai-insecure-api-key.owner,openai-insecure-api-key.own, openai-beta.realtime-v1"
            )]),
            [
                "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-server, openai-beta.realtime-v1"
            ]
        );
        assert_eq!(
            replaced(&[
                ("api-key", "owner"),
                ("sec-websocket-protocol", "Bearer second, realtime")
            ]),
            ["api-key: sk-server", "sec-websocket-protocol: realtime"]
        );
        assert_eq!(
            replaced(&[
                ("api-key", "owner"),
                ("sec-websocket-protocol", "openai-insecure-api-key.own")
            ]),
            ["api-key: sk-server"]
        );
    }
}
