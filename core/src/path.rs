//! The path of a request, without what gateways and clients add to it.

/// The stages of an API gateway. A gateway may put one at the start of its paths.
const STAGES: [&str; 3] = ["release", "test", "prepub"];

/// Returns the segments of a path without empty ones and without a leading stage.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    segments.next_if(|first| STAGES.contains(first));
    segments
}

/// Returns the path and query behind a leading stage, or `None` without one.
pub(crate) fn without_stage(path_and_query: &str) -> Option<&str> {
    let rest = path_and_query.strip_prefix('/')?;
    STAGES.iter().find_map(|stage| rest.strip_prefix(stage)).filter(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_have_no_stage_and_no_empty_ones() {
        for (path, expected) in [
            ("", vec![]),
            ("/", vec![]),
            ("//ask//", vec!["ask"]),
            ("/release", vec![]),
            ("/test/ask/", vec!["ask"]),
            ("/prepub/release/x", vec!["release", "x"]),
            ("/released/ask", vec!["released", "ask"]),
        ] {
            assert_eq!(segments(path).collect::<Vec<_>>(), expected, "{path}");
        }
    }

    #[test]
    fn one_stage_is_removed_at_the_end_of_its_segment() {
        assert_eq!(without_stage("/release/v1?x"), Some("/v1?x"));
        assert_eq!(without_stage("/test/test/v1"), Some("/test/v1"));
        for path in ["/", "/released/v1", "/v1/release", "/release?x", ""] {
            assert_eq!(without_stage(path), None, "{path}");
        }
    }
}
