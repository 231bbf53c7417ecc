//! The upstream path of a proxied request.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::path::without_stage;

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
/// `/v1`, and that repeated slashes at the start and a leading stage of a gateway are removed.
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
    let slashes = path.bytes().take_while(|byte| *byte == b'/').count();
    let whole = &path_and_query[slashes.saturating_sub(1)..];
    let candidates = [Some(whole), without_stage(whole)].into_iter().flatten();
    let below = |prefix: &str| candidates.clone().find(|candidate| is_below(candidate, prefix));
    if let Some(kept) = below(base_path).filter(|_| !base_path.is_empty()) {
        return Ok(kept.into());
    }
    if let Some(versioned) = below("/v1") {
        let rest = &versioned["/v1".len()..];
        return Ok(match base_path {
            "/v1" => versioned.into(),
            "" if !rest.starts_with('/') => format!("/{rest}").into(),
            "" => rest.into(),
            _ => format!("{base_path}{rest}").into(),
        });
    }
    match allowed.iter().find_map(|prefix| below(prefix)) {
        Some(allowed) => Ok(allowed.into()),
        None => Err(PathError::NotAllowed),
    }
}

/// Returns whether the path begins with the prefix, at the end of a segment.
fn is_below(path_and_query: &str, prefix: &str) -> bool {
    path_and_query.strip_prefix(prefix).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(['/', '?']) || prefix.ends_with('/')
    })
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
        check("/v1", "//v1/models", Ok("/v1/models"));
        check("/v1", "///release/v1//models", Ok("/v1//models"));
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
    fn empty_base_path_replaces_v1_too() {
        check("", "/v1/chat/completions?x", Ok("/chat/completions?x"));
        check("", "/release/v1/models", Ok("/models"));
        check("", "/v1", Ok("/"));
        check("", "/v1?x", Ok("/?x"));
        check("", "/anything/else", Err(PathError::NotAllowed));
        check("", "/openai/x", Ok("/openai/x"));
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
