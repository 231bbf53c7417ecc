//! Stops and restarts everything that runs.

use tokio::sync::watch;

use crate::invocation::Failure;

/// The state that the emulator sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The number counts restarts.
    Running(u64),
    Stopped,
}

/// Restarts and stops, for the emulator.
#[derive(Debug)]
pub(crate) struct Controller(watch::Sender<State>);

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Stopped { "Stopped" } else { "Running" })
    }
}

impl Controller {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::Running(0)))
    }

    /// Returns a receiver, which starts with the current state.
    pub(crate) fn control(&self) -> Control {
        Control(self.0.subscribe())
    }

    pub(crate) fn restart(&self) {
        self.0.send_if_modified(|state| match state {
            State::Running(count) => {
                *count += 1;
                true
            }
            State::Stopped => false,
        });
    }

    pub(crate) fn stop(&self) {
        self.0.send_replace(State::Stopped);
    }
}

/// Waits for restarts and the stop.
#[derive(Clone, Debug)]
pub(crate) struct Control(watch::Receiver<State>);

impl Control {
    /// Returns a receiver that starts with the current state.
    pub(crate) fn current(&self) -> Self {
        let mut control = self.clone();
        control.0.borrow_and_update();
        control
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.0.borrow() == State::Stopped
    }

    /// Waits until the platform stops.
    pub(crate) async fn stopped(&mut self) {
        // An error means that the emulator is gone.
        let _ = self.0.wait_for(|state| *state == State::Stopped).await;
    }

    /// Waits for a restart or the stop. Returns the failure of an invocation in progress.
    pub(crate) async fn changed(&mut self) -> Failure {
        let _ = self.0.changed().await;
        if self.is_stopped() { Failure::stopped() } else { Failure::restarted() }
    }
}
