//! Keys and models that are set aside for a while.

use std::time::{Duration, Instant, SystemTime};

use super::error::parse_retry_after;
use crate::settings::{Secret, Settings};

/// Time for which a key or a model that failed is set aside.
pub(super) const COOLDOWN: Duration = Duration::from_secs(600);

/// The longest time for which a key is set aside: a day.
const MAX_COOLDOWN: Duration = Duration::from_secs(86_400);

/// The keys and models that are set aside. An instance keeps them between questions.
#[derive(Clone, Debug, Default)]
pub struct Cooldowns {
    pub(super) keys: CooldownList,
    pub(super) models: CooldownList,
}

impl Cooldowns {
    /// Sets a key aside that the upstream refused.
    pub fn refuse_key(&mut self, settings: &Settings, key: &Secret, now: Instant) {
        self.set_key_aside(settings, key, now, COOLDOWN);
    }

    /// Sets a key aside whose rate the upstream limits, if it names the time.
    pub fn limit_key(
        &mut self,
        settings: &Settings,
        key: &Secret,
        retry_after: Option<&str>,
        (now, system): (Instant, SystemTime),
    ) {
        if let Some(wait) = retry_after.and_then(|value| parse_retry_after(value, system)) {
            self.set_key_aside(settings, key, now, wait);
        }
    }

    fn set_key_aside(&mut self, settings: &Settings, key: &Secret, now: Instant, time: Duration) {
        let index = settings.keys.iter().position(|known| known.matches(key.expose()));
        if let Some(index) = index {
            self.keys.set_aside(index, now, time);
        }
    }
}

/// The times until which the members of a list are set aside.
#[derive(Clone, Debug, Default)]
pub(super) struct CooldownList(Vec<Option<Instant>>);

impl CooldownList {
    /// Sets a member aside.
    pub(super) fn set_aside(&mut self, index: usize, now: Instant, time: Duration) {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = now.checked_add(time.min(MAX_COOLDOWN));
    }

    /// Returns how long a member is still set aside.
    pub(super) fn remaining(&self, index: usize, now: Instant) -> Duration {
        let until = self.0.get(index).copied().flatten();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}
