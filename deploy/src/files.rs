//! Files that hold secrets.

use std::path::Path;

/// Calls `warn` if others than the owner can read or write the file.
pub fn warn_if_shared(path: &Path, warn: &dyn Fn(&str)) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().map_or(0, |file| file.permissions().mode());
        if mode & 0o077 != 0 {
            warn(&format!(
                "warning: {path} holds a key and is open to other users (mode {mode:o}); \
                 run `chmod 600 '{path}'`",
                path = path.display(),
                mode = mode & 0o777,
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, warn);
}
