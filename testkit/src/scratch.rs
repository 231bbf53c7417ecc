use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

/// A file that is removed with the value.
///
/// ```
/// let file = testkit::Scratch::new("text");
/// assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "text");
/// ```
pub struct Scratch(PathBuf);

impl Scratch {
    /// Writes a file with a name of its own.
    pub fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("testkit-{}-{number}", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    /// The absolute path.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
