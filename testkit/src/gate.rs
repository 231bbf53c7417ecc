use std::sync::{Arc, Condvar, Mutex};

use crate::WAIT_LIMIT;

/// A signal that is given once. Clones share it.
///
/// ```
/// let gate = testkit::Gate::default();
/// let held = { let gate = gate.clone(); std::thread::spawn(move || gate.wait()) };
/// gate.open();
/// held.join().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Releases all that wait, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Blocks until the gate is open. Panics after [`WAIT_LIMIT`].
    #[track_caller]
    pub fn wait(&self) {
        let (opened, changed) = &*self.0;
        let waited = changed.wait_timeout_while(opened.lock().unwrap(), WAIT_LIMIT, |open| !*open);
        assert!(!waited.unwrap().1.timed_out(), "the gate was not opened");
    }
}
