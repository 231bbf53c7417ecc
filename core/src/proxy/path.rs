//! The upstream path of a proxied request.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The stages of an API gateway. A gateway may put one before `/v1` in its addresses.
const STAGES: [&str; 3] = ["/release", "/test", "/prepub"];

/// Maximum number of times a path is decoded. More is treated as a dot segment, because
/// `%252525…` would take as many rounds as it has bytes.
const MAX_DECODINGS: usize = 8;

/// The reason why a path is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It has a `.` or `..` segment.
    DotSegment,
    /// It is not below `/v1`, not below the base URL's path, and not in `ASK_PATHS`.
    NotAllowed,
}

/// Returns the upstream's path and query. Both are unchanged, except that the base path replaces
/// `/v1`.
///
/// `base_path` has no trailing slash. `allowed` has the prefixes that are forwarded unchanged.
///
/// # Errors
/// If the path is not forwarded.
pub fn upstream_path<'a>(
    path_and_query: &'a str,
    base_path: &str,
    allowed: &[String],
) -> Result<Cow<'a, str>, PathError> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if has_dot_segment(path) {
        return Err(PathError::DotSegment);
    }
    if !base_path.is_empty() && is_below(path, base_path) {
        return Ok(path_and_query.into());
    }
    let stage = STAGES
        .iter()
        .find(|stage| path.strip_prefix(**stage).is_some_and(|rest| is_below(rest, "/v1")));
    let without_stage = &path_and_query[stage.map_or(0, |stage| stage.len())..];
    if base_path.is_empty() {
        return Ok(without_stage.into());
    }
    if stage.is_some() || is_below(path, "/v1") {
        let rest = &without_stage["/v1".len()..];
        return Ok(match base_path == "/v1" {
            true => without_stage.into(),
            false => format!("{base_path}{rest}").into(),
        });
    }
    match allowed.iter().any(|prefix| is_below(path, prefix)) {
        true => Ok(path_and_query.into()),
        false => Err(PathError::NotAllowed),
    }
}

/// Returns whether the path begins with the prefix, at the end of a segment.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

/// Returns whether a server could read a `.` or `..` segment in the path.
///
/// Servers may treat a backslash as a slash, decode more than once, and cut off parameters.
fn has_dot_segment(path: &str) -> bool {
    let mut path = Cow::Borrowed(path.as_bytes());
    for _ in 0..=MAX_DECODINGS {
        let is_dots = |segment: &[u8]| {
            matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b".."))
        };
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) {
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
    fn check(base_path: &str, path: &str, expected: Result<&str, PathError>) {
        let allowed = ["/openai/".to_owned(), "/v2beta".to_owned()];
        assert_eq!(
            upstream_path(path, base_path, &allowed).as_deref(),
            expected.as_deref(),
            "{base_path} {path}"
        );
    }

    #[test]
    fn paths_below_v1_move_below_the_base_path() {
        check("/v1", "/v1/models", Ok("/v1/models"));
        check("/v1", "/v1", Ok("/v1"));
        check("/api/paas/v4", "/v1/chat/completions?a=1", Ok("/api/paas/v4/chat/completions?a=1"));
        check("/api/paas/v4", "/v1?a=/v1/", Ok("/api/paas/v4?a=/v1/"));
        check("/v1", "/v1beta/models", Err(PathError::NotAllowed));
        check("/v1", "/v10/models", Err(PathError::NotAllowed));
        check("/v1", "/V1/models", Err(PathError::NotAllowed));
        check("/v1", "//v1/models", Err(PathError::NotAllowed));
    }

    #[test]
    fn paths_below_the_base_path_are_kept() {
        check("/api/v3", "/api/v3/models", Ok("/api/v3/models"));
        check("/api/v3", "/api/v3", Ok("/api/v3"));
        check("/api/v3", "/api/v33/models", Err(PathError::NotAllowed));
        check("/v1/proxy", "/v1/proxy/models", Ok("/v1/proxy/models"));
        check("/v1/proxy", "/v1/models", Ok("/v1/proxy/models"));
        check("/release/v1", "/release/v1/models", Ok("/release/v1/models"));
    }

    #[test]
    fn empty_base_path_keeps_every_path() {
        check("", "/v1/models?x", Ok("/v1/models?x"));
        check("", "/anything//else", Ok("/anything//else"));
        check("", "/release/v1/models", Ok("/v1/models"));
    }

    #[test]
    fn one_stage_before_v1_is_removed() {
        check("/v1", "/release/v1/models", Ok("/v1/models"));
        check("/api", "/test/v1/models", Ok("/api/models"));
        check("/v1", "/prepub/v1", Ok("/v1"));
        check("/v1", "/release/release/v1/models", Err(PathError::NotAllowed));
        check("/v1", "/release/models", Err(PathError::NotAllowed));
        check("/v1", "/debug/v1/models", Err(PathError::NotAllowed));
        check("/v1", "/v1/release/v1", Ok("/v1/release/v1"));
    }

    #[test]
    fn other_paths_must_be_allowed() {
        check(
            "/v1",
            "/openai/deployments/x?api-version=1",
            Ok("/openai/deployments/x?api-version=1"),
        );
        check("/v1", "/v2beta/x", Ok("/v2beta/x"));
        check("/v1", "/v2betax", Err(PathError::NotAllowed));
        check("/v1", "/openai", Err(PathError::NotAllowed));
        check("/v1", "/", Err(PathError::NotAllowed));
        check("/v1", "*", Err(PathError::NotAllowed));
        check("/v1", "", Err(PathError::NotAllowed));
    }

    #[test]
    fn path_and_query_are_kept_to_the_byte() {
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
    fn deeply_encoded_paths_are_rejected_quickly() {
        check("/v1", "/v1/%2525252541", Ok("/v1/%2525252541"));
        let deep = format!("/v1/%{}", "25".repeat(30_000));
        let began = std::time::Instant::now();
        check("/v1", &deep, Err(PathError::DotSegment));
        assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    }

    #[test]
    fn dot_segments_are_rejected_in_every_spelling() {
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
            check("/v1", path, Err(PathError::DotSegment));
            check("", path, Err(PathError::DotSegment));
        }
    }
}
