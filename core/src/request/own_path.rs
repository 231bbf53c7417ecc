//! The paths that the Web function answers itself.

/// A file that browsers and robots ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnFile {
    /// The script of the chat widget.
    Widget,
    /// `robots.txt`, which disallows all.
    Robots,
    /// An icon. There is none.
    Icon,
}

impl OwnFile {
    /// Returns the file of this name.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "widget.js" => Some(Self::Widget),
            "robots.txt" => Some(Self::Robots),
            "favicon.ico" => Some(Self::Icon),
            icon if icon.starts_with("apple-touch-icon") => Some(Self::Icon),
            _ => None,
        }
    }

    /// Returns the file that the last segment names. A gateway may add segments before it.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        Self::from_name(path.rsplit('/').next().unwrap_or_default())
    }
}

/// Returns whether a path belongs to the Web function. All others are the upstream's.
pub fn is_own_path(path: &str) -> bool {
    let file = path.strip_prefix('/').and_then(OwnFile::from_name);
    matches!(path, "/" | "/ask" | "/healthz") || file.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_exact() {
        for path in ["/", "/ask", "/healthz", "/widget.js", "/robots.txt", "/favicon.ico"] {
            assert!(is_own_path(path), "{path}");
        }
        assert!(is_own_path("/apple-touch-icon-precomposed.png"));
        for path in ["", "/v1", "/v1/models", "/ask/x", "/v1/widget.js", "widget.js"] {
            assert!(!is_own_path(path), "{path}");
        }
        assert_eq!(OwnFile::from_path("/release/widget.js"), Some(OwnFile::Widget));
    }
}
