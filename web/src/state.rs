//! The state that all requests share.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ask_core::access::RateLimiter;
use ask_core::completion::{Cooldowns, Retry};
use ask_core::settings::{Redactor, Secret, SettingError};
use ask_core::{Failure, Settings};
use ask_host::random;

use crate::upstream::UpstreamClient;

/// The state that all requests share.
pub(crate) struct AppState {
    /// The settings.
    pub(crate) settings: Settings,
    /// Redacts their secrets.
    pub(crate) redactor: Redactor,
    /// Set if only this machine can reach the server.
    pub(crate) local: bool,
    /// Set if the platform's headers can be trusted.
    pub(crate) on_scf: bool,
    /// Set until the first request.
    pub(crate) cold: AtomicBool,
    upstream: Result<UpstreamClient, SettingError>,
    cooldowns: Mutex<Cooldowns>,
    rate_limiter: Mutex<RateLimiter>,
}

impl AppState {
    /// Takes the settings, valid or not. An invalid one becomes the answer to every question.
    pub(crate) fn new(mut settings: Settings, local: bool, on_scf: bool) -> Self {
        let upstream = UpstreamClient::new(&settings);
        settings.errors.extend(upstream.as_ref().err().cloned());
        Self {
            redactor: settings.redactor(),
            settings,
            local,
            on_scf,
            cold: AtomicBool::new(true),
            upstream,
            cooldowns: Mutex::default(),
            rate_limiter: Mutex::default(),
        }
    }

    /// Returns the client of the upstream, or the failure of an invalid setting.
    pub(crate) fn upstream(&self) -> Result<&UpstreamClient, Failure> {
        match (self.settings.errors.first(), &self.upstream) {
            (None, Ok(upstream)) => Ok(upstream),
            (Some(error), _) | (None, Err(error)) => Err(Failure::Config(error.clone())),
        }
    }

    /// Returns the server's key for the proxy: a random one of those that are not set aside.
    pub(crate) fn server_key(&self) -> Option<Secret> {
        let now = Instant::now();
        Retry::new(&self.settings, None, &self.cooldowns(), now, random()).key().cloned()
    }

    /// Counts a question of this address. Fails if it has asked too often.
    pub(crate) fn check_rate(&self, address: IpAddr) -> Result<(), Failure> {
        let Some(rate) = self.settings.rate else { return Ok(()) };
        // The table stays usable after a panic.
        let mut limiter = self.rate_limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.check(address, rate, Instant::now())
    }

    /// Returns the keys and models that are set aside.
    pub(crate) fn cooldowns(&self) -> MutexGuard<'_, Cooldowns> {
        // The lists are valid whenever the lock is free.
        self.cooldowns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
