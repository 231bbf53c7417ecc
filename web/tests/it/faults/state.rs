//! What a process holds, as Linux tells it.

use std::fs;
use std::time::{Duration, Instant};

/// How many descriptors and threads a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Held {
    pub(crate) fn by(process: u32) -> Self {
        let count =
            |folder: &str| fs::read_dir(format!("/proc/{process}/{folder}")).unwrap().count();
        Self { descriptors: count("fd"), threads: count("task") }
    }

    /// Waits until the process holds no more than this; what it holds where it does not come to it.
    pub(crate) fn is_back(self, process: u32, patience: Duration) -> Result<(), Self> {
        let mut held = Self::by(process);
        wait(patience, || {
            held = Self::by(process);
            held.descriptors <= self.descriptors && held.threads <= self.threads
        })
        .then_some(())
        .ok_or(held)
    }
}

/// Waits for something that comes of itself; whether it came in this time.
pub(crate) fn wait(patience: Duration, mut has_come: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !has_come() {
        if began.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
