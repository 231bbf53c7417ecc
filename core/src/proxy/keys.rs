//! Whose key goes to the provider.

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::failure::Failure;
use crate::failure;
use crate::secret::Secret;
use crate::settings::{Fault, Settings};

/// The headers that a key is shown in: the usual one, Azure's, and the WebSocket's, since a browser can set no other.
static CREDENTIALS: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("api-key"), SEC_WEBSOCKET_PROTOCOL];

/// What stands before a key among the subprotocols of a WebSocket.
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";

/// Whose key goes to the provider, by the key or token that the caller showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The caller's own, which is not ours to judge.
    Own,
    /// The server's, in the place of the token.
    Lent,
}

impl Grant {
    /// Decides by the headers of the request. Fails without a key or token, with a key where callers' own are not let
    /// through, with a token of the question endpoint alone, and where there is no key to lend.
    pub fn of(settings: &Settings, headers: &HeaderMap) -> Result<Self, Failure> {
        let credentials: Vec<_> = credentials(headers).collect();
        let shown = || credentials.iter().flat_map(|(name, value)| keys_in(name, value));
        if shown().fold(false, |found, key| found | is_one_of(&settings.tokens, key)) {
            return match settings.keys.is_empty() {
                true => Err(failure::Failure::Config(Fault::new(
                    "OPENAI_API_KEY",
                    "is not set",
                    "没有设置",
                ))
                .into()),
                false => Ok(Self::Lent),
            };
        }
        if shown().next().is_none() {
            return Err(Failure::KeyMissing);
        }
        // A token that was shown amiss must not reach the provider as if it were a key.
        let holds_token = credentials.iter().any(|(_, value)| holds_token(settings, value));
        if settings.own_keys && !holds_token { Ok(Self::Own) } else { Err(Failure::KeyRefused) }
    }
}

/// The caller's credentials with the server's key where a token stood, and without any other key.
pub(super) fn lend(
    settings: &Settings,
    headers: &HeaderMap,
    key: &Secret,
) -> Vec<(HeaderName, HeaderValue)> {
    let in_place = |shown: &str| is_one_of(&settings.tokens, shown).then(|| key.expose());
    credentials(headers)
        .filter_map(|(name, value)| {
            let lent = match *name {
                AUTHORIZATION => format!("Bearer {}", in_place(keys_in(name, value).next()?)?),
                SEC_WEBSOCKET_PROTOCOL => {
                    let lent = subprotocols(value).filter_map(|protocol| {
                        match protocol.strip_prefix(KEY_SUBPROTOCOL) {
                            Some(shown) => {
                                in_place(shown).map(|key| format!("{KEY_SUBPROTOCOL}{key}"))
                            }
                            None => (!holds_token(settings, protocol)).then(|| protocol.to_owned()),
                        }
                    });
                    Some(lent.collect::<Vec<_>>().join(", ")).filter(|lent| !lent.is_empty())?
                }
                _ => in_place(value)?.to_owned(),
            };
            let mut value = HeaderValue::try_from(lent).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        })
        .collect()
}

/// Whether a lent key takes the place of this header.
pub(super) fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.contains(name)
}

/// Whether one of the words of a header's value is a token of ours.
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

/// The keys in the value of one of the [`CREDENTIALS`].
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

/// Whether one of the secrets is the one shown. All of them are compared, so that the time tells nothing.
fn is_one_of(secrets: &[Secret], shown: &str) -> bool {
    secrets.iter().fold(false, |found, secret| found | secret.matches(shown))
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
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(lines: &[(&'static str, &str)], own_keys: &str, expected: Result<Grant, Failure>) {
        assert_eq!(Grant::of(&settings(own_keys), &headers(lines)), expected, "{lines:?}");
    }

    #[test]
    fn a_token_in_any_place_borrows_the_key() {
        for line in [
            ("authorization", "Bearer owner"),
            ("authorization", "bearer   second"),
            ("api-key", "owner"),
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.second"),
        ] {
            check(&[line], "0", Ok(Grant::Lent));
            check(&[line], "1", Ok(Grant::Lent));
        }
        check(&[("authorization", "Bearer sk-own"), ("api-key", "owner")], "1", Ok(Grant::Lent));
    }

    #[test]
    fn another_key_passes_where_the_owner_lets_it() {
        for line in [
            ("authorization", "Bearer sk-own"),
            ("authorization", "Basic b3duZXI6"),
            ("api-key", "own"),
            ("sec-websocket-protocol", "openai-insecure-api-key.sk-own"),
        ] {
            check(&[line], "1", Ok(Grant::Own));
            check(&[line], "0", Err(Failure::KeyRefused));
        }
    }

    #[test]
    fn without_a_key_nothing_passes() {
        for lines in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("api-key", " ")],
            &[("sec-websocket-protocol", "realtime")],
            &[("x-ask-token", "owner")],
        ] {
            check(lines, "1", Err(Failure::KeyMissing));
        }
    }

    #[test]
    fn a_token_shown_amiss_and_the_public_one_are_refused() {
        for line in [
            ("authorization", "Bearer public"),
            ("api-key", "public"),
            ("sec-websocket-protocol", "openai-insecure-api-key.public"),
            ("authorization", "Basic owner"),
            ("authorization", "Bearer owner,other"),
        ] {
            check(&[line], "1", Err(Failure::KeyRefused));
        }
    }

    #[test]
    fn without_a_key_of_its_own_the_server_lends_none() {
        let settings = Settings::read(|name| (name == "ASK_TOKEN").then(|| "owner".into()));
        let refused = Grant::of(&settings, &headers(&[("authorization", "Bearer owner")]));
        assert_eq!(refused.unwrap_err().code(), "config");
    }

    #[test]
    fn the_key_stands_where_the_token_stood_and_other_keys_are_gone() {
        let lent = |lines: &[(&'static str, &str)]| {
            let key = Secret::new("sk-server".into());
            let lent = lend(&settings("1"), &headers(lines), &key).into_iter();
            lent.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(lent(&[("authorization", "Bearer owner")]), ["authorization: Bearer sk-server"]);
        assert_eq!(
            lent(&[("api-key", "owner"), ("authorization", "Bearer sk-own")]),
            ["api-key: sk-server"]
        );
        assert_eq!(
            lent(&[(
                "sec-websocket-protocol",
                "realtime, openai-insecure-api-key.owner,openai-insecure-api-key.own, openai-beta.realtime-v1"
            )]),
            [
                "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-server, openai-beta.realtime-v1"
            ]
        );
        assert_eq!(
            lent(&[("api-key", "owner"), ("sec-websocket-protocol", "Bearer second, realtime")]),
            ["api-key: sk-server", "sec-websocket-protocol: realtime"]
        );
        assert_eq!(
            lent(&[
                ("api-key", "owner"),
                ("sec-websocket-protocol", "openai-insecure-api-key.own")
            ]),
            ["api-key: sk-server"]
        );
    }
}
