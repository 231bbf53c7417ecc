//! The attempts at one question: which key, which model, and when to try again.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use super::cooldowns::{COOLDOWN, CooldownList, Cooldowns};
use super::error::{AttemptError, parse_retry_after};
use crate::failure::Failure;
use crate::settings::{Secret, Settings};

/// Maximum number of retries, beside the attempts with other keys and models.
const MAX_RETRIES: u32 = 2;

/// The first wait before a retry, if the upstream names none.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// The longest wait before a retry, if the upstream names none.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// The budget of a question without any limit.
const DEFAULT_BUDGET: Duration = Duration::from_secs(60);

/// The longest budget: a day. It exceeds every limit of the platform and keeps sums in range.
const MAX_BUDGET: Duration = Duration::from_secs(86_400);

/// The longest time that is reserved for sending the response.
const MAX_MARGIN: Duration = Duration::from_secs(1);

/// Returns the time for an answer: the limit minus a margin, and at most `ASK_TIMEOUT`.
///
/// The margin is 1 s, or a tenth of a shorter limit.
pub fn budget(settings: &Settings, limit: Option<Duration>) -> Duration {
    let budget =
        limit.map_or(DEFAULT_BUDGET, |limit| limit - (limit / 10).min(MAX_MARGIN)).min(MAX_BUDGET);
    settings.timeout.map_or(budget, |timeout| timeout.min(budget))
}

/// The current time, as a value.
#[derive(Clone, Copy, Debug)]
pub struct CurrentTime {
    /// Monotonic time.
    pub instant: Instant,
    /// Wall time, for dates in headers.
    pub system: SystemTime,
    /// The rest of the budget, or `None` without a deadline.
    pub remaining: Option<Duration>,
}

/// The attempts at one question.
#[derive(Debug)]
pub struct Retry<'a> {
    settings: &'a Settings,
    keys: Candidates,
    models: Candidates,
    retries: u32,
    /// The failure of a key whose rate is limited.
    busy: Option<Failure>,
    /// Number of attempts, the current one included.
    pub attempts: u32,
}

impl<'a> Retry<'a> {
    /// Starts with a random one of the keys that are not set aside, and with the chosen model or
    /// the first.
    pub fn new(
        settings: &'a Settings,
        model: Option<&str>,
        cooldowns: &Cooldowns,
        now: Instant,
        random: u64,
    ) -> Self {
        let models = match model {
            Some(model) => {
                let index = settings.models.iter().position(|name| name == model);
                Candidates::one(index.unwrap_or_default())
            }
            None => Candidates::new(settings.models.len(), &cooldowns.models, now, 0),
        };
        Self {
            settings,
            keys: Candidates::new(settings.keys.len(), &cooldowns.keys, now, random),
            models,
            retries: 0,
            busy: None,
            attempts: 1,
        }
    }

    /// Returns the key of the current attempt, or `None` if no key is set.
    pub fn key(&self) -> Option<&'a Secret> {
        self.settings.keys.get(self.keys.current)
    }

    /// Returns the model of the current attempt.
    pub fn model(&self) -> &'a str {
        self.settings.models.get(self.models.current).map_or("", String::as_str)
    }

    /// Returns the wait before the next attempt. `random` spreads the waits.
    ///
    /// # Errors
    /// The failure for the client, if there is no next attempt.
    pub fn next_attempt(
        &mut self,
        error: AttemptError,
        cooldowns: &mut Cooldowns,
        now: CurrentTime,
        random: u64,
    ) -> Result<Duration, Failure> {
        let wait = match &error.failure {
            Failure::UpstreamKey | Failure::UpstreamQuota | Failure::UpstreamRegion => {
                cooldowns.keys.set_aside(self.keys.current, now.instant, COOLDOWN);
                match self.keys.advance() {
                    true => Some(Duration::ZERO),
                    false if self.busy.is_some() => self.wait_for_key(cooldowns, now.instant),
                    false => None,
                }
            }
            Failure::UpstreamModel { .. } => {
                cooldowns.models.set_aside(self.models.current, now.instant, COOLDOWN);
                self.models.advance().then_some(Duration::ZERO)
            }
            Failure::UpstreamBusy { .. } if error.retryable => {
                let wait = self.wait(&error, now.system, random);
                cooldowns.keys.set_aside(self.keys.current, now.instant, wait);
                self.busy = Some(error.failure.clone());
                match self.keys.advance_to_fresh() {
                    true => Some(Duration::ZERO),
                    false => self.wait_for_key(cooldowns, now.instant),
                }
            }
            _ if error.retryable && self.retries < MAX_RETRIES => {
                let wait = self.wait(&error, now.system, random);
                self.retries += 1;
                Some(wait)
            }
            _ => None,
        };
        // Without a deadline, an upstream cannot make a client wait for hours.
        let fits = |wait: &Duration| *wait < now.remaining.unwrap_or(DEFAULT_BUDGET);
        match wait.filter(fits) {
            Some(wait) => {
                self.attempts += 1;
                Ok(wait)
            }
            None => Err(self.last_failure(error.failure)),
        }
    }

    fn wait(&self, error: &AttemptError, now: SystemTime, random: u64) -> Duration {
        let named = error.retry_after.as_deref().and_then(|value| parse_retry_after(value, now));
        let backoff = FIRST_BACKOFF.saturating_mul(1 << self.retries).min(MAX_BACKOFF);
        // Up to a quarter less, so that instances that failed together do not retry together.
        let jitter = backoff / 4 * (random % 1024) as u32 / 1024;
        named.unwrap_or(backoff - jitter)
    }

    /// Moves to the key that is set aside for the shortest time. Returns that time.
    fn wait_for_key(&mut self, cooldowns: &Cooldowns, now: Instant) -> Option<Duration> {
        if self.retries == MAX_RETRIES {
            return None;
        }
        self.retries += 1;
        let keys = 0..self.settings.keys.len().max(1);
        let (wait, key) = keys.map(|key| (cooldowns.keys.remaining(key, now), key)).min()?;
        self.keys.current = key;
        Some(wait)
    }

    fn last_failure(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::UpstreamModel { .. } => Failure::UpstreamModel { models: self.models() },
            // Not every key was refused.
            Failure::UpstreamKey | Failure::UpstreamQuota | Failure::UpstreamRegion => {
                self.busy.take().unwrap_or(failure)
            }
            other => other,
        }
    }

    /// Returns the models that were asked.
    fn models(&self) -> Vec<String> {
        match self.models.is_one {
            true => vec![self.model().to_owned()],
            false => self.settings.models.clone(),
        }
    }
}

/// The members of a list that are left to try. Those that are set aside come last.
#[derive(Debug)]
struct Candidates {
    current: usize,
    next: VecDeque<usize>,
    /// Number of members in `next` that are not set aside.
    fresh: usize,
    is_one: bool,
}

impl Candidates {
    /// Takes all members. Those that are not set aside begin with a random one.
    fn new(len: usize, cooldowns: &CooldownList, now: Instant, random: u64) -> Self {
        let is_aside = |index: &usize| !cooldowns.remaining(*index, now).is_zero();
        let (mut aside, mut fresh): (Vec<_>, Vec<_>) = (0..len).partition(is_aside);
        aside.sort_by_key(|index| cooldowns.remaining(*index, now));
        if let Some(first) = random.checked_rem(fresh.len() as u64) {
            fresh.rotate_left(first as usize);
        }
        let count = fresh.len();
        let mut next: VecDeque<_> = fresh.into_iter().chain(aside).collect();
        let current = next.pop_front().unwrap_or_default();
        Self { current, next, fresh: count.saturating_sub(1), is_one: false }
    }

    /// Takes one member alone.
    fn one(current: usize) -> Self {
        Self { current, next: VecDeque::new(), fresh: 0, is_one: true }
    }

    /// Moves to the next member. Returns whether there is one.
    fn advance(&mut self) -> bool {
        let next = self.next.pop_front();
        self.current = next.unwrap_or(self.current);
        self.fresh = self.fresh.saturating_sub(1);
        next.is_some()
    }

    /// Moves to the next member that is not set aside. Returns whether there is one.
    fn advance_to_fresh(&mut self) -> bool {
        self.fresh > 0 && self.advance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(instant: Instant, remaining: u64) -> CurrentTime {
        CurrentTime {
            instant,
            system: SystemTime::UNIX_EPOCH,
            remaining: Some(Duration::from_secs(remaining)),
        }
    }

    fn start_with<'a>(settings: &'a Settings, cooldowns: &Cooldowns, now: Instant) -> Retry<'a> {
        Retry::new(settings, None, cooldowns, now, 0)
    }

    fn failed() -> AttemptError {
        AttemptError::retryable(Failure::AnswerEmpty { out_of_tokens: false })
    }

    fn busy(after: &str) -> AttemptError {
        let retry_after = Some(after.to_owned());
        AttemptError {
            retry_after: retry_after.clone(),
            ..AttemptError::retryable(Failure::UpstreamBusy { retry_after })
        }
    }

    #[test]
    fn budget_leaves_a_margin() {
        let ms = Duration::from_millis;
        let unset = Settings::from_pairs(&[]);
        assert_eq!(budget(&unset, None), ms(60_000));
        assert_eq!(budget(&unset, Some(ms(3_000))), ms(2_700));
        assert_eq!(budget(&unset, Some(ms(60_000))), ms(59_000));
        assert!(Instant::now().checked_add(budget(&unset, Some(Duration::MAX))).is_some());
        let five = Settings::from_pairs(&[("ASK_TIMEOUT", "5")]);
        assert_eq!(budget(&five, Some(ms(60_000))), ms(5_000));
        assert_eq!(budget(&five, Some(ms(3_000))), ms(2_700));
    }

    #[test]
    fn retryable_errors_are_retried_twice_with_backoff() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "k")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let mut retry = start_with(&settings, &cooldowns, start);
        assert_eq!(
            retry.next_attempt(failed(), &mut cooldowns, now(start, 60), 0),
            Ok(Duration::from_millis(500))
        );
        let second = retry.next_attempt(failed(), &mut cooldowns, now(start, 60), 1023).unwrap();
        assert_eq!(second.as_millis(), 750);
        assert!(retry.next_attempt(failed(), &mut cooldowns, now(start, 60), 0).is_err());
        assert_eq!(retry.attempts, 3);
    }

    #[test]
    fn retry_after_is_obeyed_if_it_fits_the_budget() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "k")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let mut retry = start_with(&settings, &cooldowns, start);
        assert_eq!(
            retry.next_attempt(busy("7"), &mut cooldowns, now(start, 60), 512),
            Ok(Duration::from_secs(7))
        );
        assert_eq!(
            retry.next_attempt(busy("61"), &mut cooldowns, now(start, 60), 512),
            Err(Failure::UpstreamBusy { retry_after: Some("61".into()) })
        );
        let unlimited = CurrentTime { remaining: None, ..now(start, 0) };
        let mut retry = start_with(&settings, &cooldowns, start);
        assert_eq!(
            retry.next_attempt(busy("59"), &mut cooldowns, unlimited, 512),
            Ok(Duration::from_secs(59))
        );
        assert!(retry.next_attempt(busy("61"), &mut cooldowns, unlimited, 512).is_err());
    }

    #[test]
    fn retry_after_dates_survive_clock_jumps() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "k")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        let years = Duration::from_secs(100 * 365 * 86_400);
        let after = |system, remaining, cooldowns: &mut Cooldowns| {
            let now = CurrentTime { instant: start, system, remaining };
            start_with(&settings, cooldowns, start).next_attempt(busy(date), cooldowns, now, 512)
        };
        for remaining in [None, Some(Duration::from_secs(59))] {
            for back in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - years] {
                let expected = Failure::UpstreamBusy { retry_after: Some(date.into()) };
                assert_eq!(after(back, remaining, &mut cooldowns), Err(expected));
            }
            for forward in [SystemTime::UNIX_EPOCH + years, SystemTime::UNIX_EPOCH + years * 1000] {
                assert_eq!(after(forward, remaining, &mut cooldowns), Ok(Duration::ZERO));
            }
        }
    }

    #[test]
    fn other_errors_are_not_retried() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "k")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        for failure in [
            Failure::UpstreamKey,
            Failure::UpstreamRegion,
            Failure::AnswerFiltered,
            Failure::Deadline,
        ] {
            let mut retry = start_with(&settings, &cooldowns, start);
            assert_eq!(
                retry.next_attempt(failure.clone().into(), &mut cooldowns, now(start, 60), 512),
                Err(failure)
            );
        }
    }

    #[test]
    fn failed_key_is_tried_last_for_ten_minutes() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "a,b,c")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let key = |retry: &Retry| retry.key().unwrap().expose().to_owned();

        let mut retry = start_with(&settings, &cooldowns, start);
        assert_eq!(key(&retry), "a");
        assert!(
            retry
                .next_attempt(Failure::UpstreamKey.into(), &mut cooldowns, now(start, 60), 512)
                .is_ok()
        );
        assert_eq!(key(&retry), "b");
        assert!(
            retry
                .next_attempt(Failure::UpstreamQuota.into(), &mut cooldowns, now(start, 60), 512)
                .is_ok()
        );
        assert_eq!(key(&retry), "c");

        assert_eq!(key(&start_with(&settings, &cooldowns, start + Duration::from_secs(599))), "c");
        assert_eq!(key(&start_with(&settings, &cooldowns, start + Duration::from_secs(600))), "a");
        let years = Duration::from_secs(100 * 365 * 86_400);
        assert_eq!(key(&start_with(&settings, &cooldowns, start + years)), "a");
        assert_eq!(key(&start_with(&settings, &cooldowns, start - Duration::from_secs(1))), "c");
    }

    #[test]
    fn every_key_is_tried_before_the_failure() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "a,b")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let mut retry = start_with(&settings, &cooldowns, start);
        assert!(
            retry
                .next_attempt(Failure::UpstreamKey.into(), &mut cooldowns, now(start, 60), 512)
                .is_ok()
        );
        assert_eq!(
            retry.next_attempt(Failure::UpstreamKey.into(), &mut cooldowns, now(start, 60), 512),
            Err(Failure::UpstreamKey)
        );
        let retry = start_with(&settings, &cooldowns, start);
        assert_eq!(retry.key().unwrap().expose(), "a");
    }

    #[test]
    fn every_model_is_tried_and_then_named() {
        let settings = Settings::from_pairs(&[("OPENAI_MODEL", "m1,m2")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let missing = || AttemptError::from(Failure::UpstreamModel { models: Vec::new() });
        let mut retry = start_with(&settings, &cooldowns, start);
        assert_eq!(retry.model(), "m1");
        assert!(retry.next_attempt(missing(), &mut cooldowns, now(start, 60), 512).is_ok());
        assert_eq!(retry.model(), "m2");
        assert_eq!(
            retry.next_attempt(missing(), &mut cooldowns, now(start, 60), 512),
            Err(Failure::UpstreamModel { models: vec!["m1".into(), "m2".into()] })
        );
    }

    #[test]
    fn chosen_model_is_asked_alone() {
        let settings = Settings::from_pairs(&[("OPENAI_MODEL", "m1,m2,m3")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let mut retry = Retry::new(&settings, Some("m2"), &cooldowns, start, 0);
        assert_eq!(retry.model(), "m2");
        let missing = AttemptError::from(Failure::UpstreamModel { models: Vec::new() });
        assert_eq!(
            retry.next_attempt(missing, &mut cooldowns, now(start, 60), 512),
            Err(Failure::UpstreamModel { models: vec!["m2".into()] })
        );
    }

    #[test]
    fn questions_begin_at_random_keys() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "a,b,c")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let keys = |cooldowns: &Cooldowns| {
            let key = |random| Retry::new(&settings, None, cooldowns, start, random).key();
            (0..4).map(|random| key(random).unwrap().expose()).collect::<String>()
        };
        assert_eq!(keys(&cooldowns), "abca");
        cooldowns.refuse_key(&settings, &settings.keys[1], start);
        assert_eq!(keys(&cooldowns), "acac");
        cooldowns.limit_key(&settings, &settings.keys[0], Some("5"), (start, SystemTime::now()));
        assert_eq!(keys(&cooldowns), "cccc");
        cooldowns.refuse_key(&settings, &settings.keys[2], start);
        // All are set aside; the first is back the soonest.
        assert_eq!(keys(&cooldowns), "aaaa");
    }

    #[test]
    fn limited_key_gives_way_to_the_next_at_once() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "a,b,c")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let key = |retry: &Retry| retry.key().unwrap().expose().to_owned();
        let mut retry = start_with(&settings, &cooldowns, start);
        for (error, wait, next) in [
            (busy("7"), 0, "b"),
            (Failure::UpstreamKey.into(), 0, "c"),
            // No key is left, so the one that is limited for the shortest time is waited for.
            (busy("9"), 7, "a"),
            (busy("11"), 9, "c"),
        ] {
            let waited = retry.next_attempt(error, &mut cooldowns, now(start, 60), 0);
            assert_eq!(waited, Ok(Duration::from_secs(wait)));
            assert_eq!(key(&retry), next);
        }
        // The next question begins at the key that is limited for the shortest time.
        assert_eq!(key(&start_with(&settings, &cooldowns, start)), "c");
        let later = start + Duration::from_secs(12);
        assert_eq!(key(&start_with(&settings, &cooldowns, later)), "a");
    }

    #[test]
    fn refusal_beside_a_limited_key_is_told_as_busy() {
        let settings = Settings::from_pairs(&[("OPENAI_API_KEY", "a,b")]);
        let mut cooldowns = Cooldowns::default();
        let start = Instant::now();
        let mut retry = start_with(&settings, &cooldowns, start);
        assert!(retry.next_attempt(busy("90"), &mut cooldowns, now(start, 60), 0).is_ok());
        assert_eq!(
            retry.next_attempt(Failure::UpstreamKey.into(), &mut cooldowns, now(start, 60), 0),
            Err(Failure::UpstreamBusy { retry_after: Some("90".into()) })
        );
    }
}
