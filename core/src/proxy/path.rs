//! Where a request goes.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The stages of an API gateway: one may stand before `/v1` in the addresses that it hands out.
const STAGES: [&str; 3] = ["/release", "/test", "/prepub"];

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// It holds a `.` or `..` segment.
    Climbs,
    /// It is neither below `/v1`, nor below the base URL's path, nor listed in `ASK_PATHS`.
    Unlisted,
}

/// The path and query for the provider, both kept to the byte but for the base path in the place of `/v1`.
///
/// `base_path` is the base URL's path without a slash at its end, `listed` the prefixes that are forwarded as they are.
pub fn provider_path<'a>(
    path_and_query: &'a str,
    base_path: &str,
    listed: &[String],
) -> Result<Cow<'a, str>, Astray> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if climbs(path) {
        return Err(Astray::Climbs);
    }
    if !base_path.is_empty() && is_below(path, base_path) {
        return Ok(path_and_query.into());
    }
    let stage = STAGES
        .iter()
        .find(|stage| path.strip_prefix(**stage).is_some_and(|rest| is_below(rest, "/v1")));
    let unstaged = &path_and_query[stage.map_or(0, |stage| stage.len())..];
    if base_path.is_empty() {
        return Ok(unstaged.into());
    }
    if stage.is_some() || is_below(path, "/v1") {
        let rest = &unstaged["/v1".len()..];
        return Ok(if base_path == "/v1" {
            unstaged.into()
        } else {
            format!("{base_path}{rest}").into()
        });
    }
    match listed.iter().any(|prefix| is_below(path, prefix)) {
        true => Ok(path_and_query.into()),
        false => Err(Astray::Unlisted),
    }
}

/// Whether the path begins with the prefix, and the prefix ends where one of the path's segments does.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

/// No server decodes a path more often. Without a bound, `%252525…` would cost as many rounds as it has bytes.
const MOST_DECODINGS: usize = 8;

/// Whether a server could read a `.` or `..` segment in the path: it may take a backslash for a slash, decode more
/// than once, and cut parameters off a segment. What is encoded over and over counts as such, too.
fn climbs(path: &str) -> bool {
    let mut path = Cow::Borrowed(path.as_bytes());
    for _ in 0..=MOST_DECODINGS {
        let dots = |segment: &[u8]| {
            matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b".."))
        };
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(dots) {
            return true;
        }
        let decoded: Cow<[u8]> = percent_decode(&path).into();
        match decoded {
            Cow::Borrowed(_) => return false,
            Cow::Owned(decoded) => path = Cow::Owned(decoded),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base_path: &str, path: &str, expected: Result<&str, Astray>) {
        let listed = ["/openai/".to_owned(), "/v2beta".to_owned()];
        assert_eq!(
            provider_path(path, base_path, &listed).as_deref(),
            expected.as_deref(),
            "{base_path} {path}"
        );
    }

    #[test]
    fn what_is_below_v1_goes_below_the_base_path() {
        check("/v1", "/v1/models", Ok("/v1/models"));
        check("/v1", "/v1", Ok("/v1"));
        check("/api/paas/v4", "/v1/chat/completions?a=1", Ok("/api/paas/v4/chat/completions?a=1"));
        check("/api/paas/v4", "/v1?a=/v1/", Ok("/api/paas/v4?a=/v1/"));
        check("/v1", "/v1beta/models", Err(Astray::Unlisted));
        check("/v1", "/v10/models", Err(Astray::Unlisted));
        check("/v1", "/V1/models", Err(Astray::Unlisted));
        check("/v1", "//v1/models", Err(Astray::Unlisted));
    }

    #[test]
    fn the_base_path_itself_is_kept() {
        check("/api/v3", "/api/v3/models", Ok("/api/v3/models"));
        check("/api/v3", "/api/v3", Ok("/api/v3"));
        check("/api/v3", "/api/v33/models", Err(Astray::Unlisted));
        check("/v1/proxy", "/v1/proxy/models", Ok("/v1/proxy/models"));
        check("/v1/proxy", "/v1/models", Ok("/v1/proxy/models"));
        check("/release/v1", "/release/v1/models", Ok("/release/v1/models"));
    }

    #[test]
    fn without_a_base_path_every_path_is_kept() {
        check("", "/v1/models?x", Ok("/v1/models?x"));
        check("", "/anything//else", Ok("/anything//else"));
        check("", "/release/v1/models", Ok("/v1/models"));
    }

    #[test]
    fn one_stage_before_v1_is_dropped() {
        check("/v1", "/release/v1/models", Ok("/v1/models"));
        check("/api", "/test/v1/models", Ok("/api/models"));
        check("/v1", "/prepub/v1", Ok("/v1"));
        check("/v1", "/release/release/v1/models", Err(Astray::Unlisted));
        check("/v1", "/release/models", Err(Astray::Unlisted));
        check("/v1", "/debug/v1/models", Err(Astray::Unlisted));
        check("/v1", "/v1/release/v1", Ok("/v1/release/v1"));
    }

    #[test]
    fn other_paths_only_where_they_are_listed() {
        check(
            "/v1",
            "/openai/deployments/x?api-version=1",
            Ok("/openai/deployments/x?api-version=1"),
        );
        check("/v1", "/v2beta/x", Ok("/v2beta/x"));
        check("/v1", "/v2betax", Err(Astray::Unlisted));
        check("/v1", "/openai", Err(Astray::Unlisted));
        check("/v1", "/", Err(Astray::Unlisted));
        check("/v1", "*", Err(Astray::Unlisted));
        check("/v1", "", Err(Astray::Unlisted));
    }

    #[test]
    fn bytes_are_kept() {
        for path in [
            "/v1/a%2Fb%20c",
            "/v1//double//",
            "/v1/files/你好",
            "/v1/a;b=c/%E4%BD?x=%2e%2e/../&y=\\..\\",
            "/v1/...",
            "/v1/.well-known/a..b/gpt-3.5/..c",
        ] {
            check("/v1", path, Ok(path));
        }
    }

    #[test]
    fn what_is_encoded_over_and_over_is_refused_at_once() {
        check("/v1", "/v1/%2525252541", Ok("/v1/%2525252541"));
        let deep = format!("/v1/%{}", "25".repeat(30_000));
        let began = std::time::Instant::now();
        check("/v1", &deep, Err(Astray::Climbs));
        assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    }

    #[test]
    fn dot_segments_are_refused_however_they_are_written() {
        for path in [
            "/v1/../admin",
            "/v1/./models",
            "/v1/..",
            "/v1/%2e%2e/admin",
            "/v1/.%2E/admin",
            "/v1/%2e/x",
            "/v1/..%2fadmin",
            "/v1/%2e%2e%5cadmin",
            "/v1\\..\\admin",
            "/v1/..\\admin",
            "/v1%5C..%5Cadmin",
            "/v1/%252e%252e/admin",
            "/v1/%25252e./admin",
            "/v1/..;/admin",
            "/v1/..%3bx/admin",
            "/../v1/models",
            "/openai/../v1",
        ] {
            check("/v1", path, Err(Astray::Climbs));
            check("", path, Err(Astray::Climbs));
        }
    }
}
