//! Which key and model a question is tried with, and when it is tried again.

use std::time::{Duration, Instant, SystemTime};

use crate::failure::Failure;
use crate::refusal::{Refusal, wait};
use crate::secret::Secret;
use crate::settings::Settings;

/// A key or a model that failed is left aside for so long.
const ASIDE: Duration = Duration::from_secs(600);

/// A question is asked again so often, beside the tries with other keys and models.
const RETRIES: u32 = 2;

/// The first wait before a retry where the provider names none.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No wait of our own is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// The time for an answer where no limit is named.
const UNLIMITED: Duration = Duration::from_secs(60);

/// A day is longer than any limit of the platform, and keeps sums with it in range.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long an answer may take: the limit less a margin for the reply's own way, and `ASK_TIMEOUT` where it is shorter.
pub fn budget(settings: &Settings, limit: Option<Duration>) -> Duration {
    let budget = limit
        .map_or(UNLIMITED, |limit| limit - (limit / 10).min(Duration::from_secs(1)))
        .min(LONGEST);
    settings.timeout.map_or(budget, |timeout| timeout.min(budget))
}

/// What an instance remembers from one question to the next: which keys and models failed, and when.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    keys: Vec<Option<Instant>>,
    models: Vec<Option<Instant>>,
}

/// The attempts at one question.
#[derive(Debug)]
pub struct Attempts<'a> {
    settings: &'a Settings,
    keys: Tried,
    models: Tried,
    retries: u32,
    /// How many attempts there were, this one included.
    pub count: u32,
}

/// When it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By the clock that only goes forward.
    pub instant: Instant,
    /// By the clock that dates are told by.
    pub time: SystemTime,
    /// What is left of the budget; nothing where there is none.
    pub left: Option<Duration>,
}

impl<'a> Attempts<'a> {
    /// The first attempt: with the first key and model that did not fail lately.
    pub fn new(settings: &'a Settings, memory: &Memory, now: Instant) -> Self {
        Self {
            settings,
            keys: Tried::new(settings.keys.len(), &memory.keys, now),
            models: Tried::new(settings.models.len(), &memory.models, now),
            retries: 0,
            count: 1,
        }
    }

    /// The key to ask with; nothing where none is set.
    pub fn key(&self) -> Option<&'a Secret> {
        self.settings.keys.get(self.keys.current)
    }

    /// The model to ask.
    pub fn model(&self) -> &'a str {
        self.settings.models.get(self.models.current).map_or("", String::as_str)
    }

    /// After a failed attempt: how long to wait before the next one, or the failure that the caller is told. `jitter` is
    /// a random number from 0 to 1.
    pub fn after(
        &mut self,
        refusal: Refusal,
        memory: &mut Memory,
        now: Now,
        jitter: f64,
    ) -> Result<Duration, Failure> {
        let wait = match &refusal.failure {
            Failure::UpstreamKey | Failure::UpstreamQuota => {
                self.keys.next(&mut memory.keys, now.instant).then_some(Duration::ZERO)
            }
            Failure::UpstreamModel { .. } => {
                self.models.next(&mut memory.models, now.instant).then_some(Duration::ZERO)
            }
            _ if refusal.passing && self.retries < RETRIES => {
                self.retries += 1;
                Some(self.wait(&refusal, now.time, jitter))
            }
            _ => None,
        };
        // Without a budget, nobody waits for hours because a provider says so.
        let fits = |wait: &Duration| *wait < now.left.unwrap_or(UNLIMITED);
        match wait.filter(fits) {
            Some(wait) => {
                self.count += 1;
                Ok(wait)
            }
            None => Err(self.last(refusal.failure)),
        }
    }

    fn wait(&self, refusal: &Refusal, now: SystemTime, jitter: f64) -> Duration {
        let named = refusal.retry_after.as_deref().and_then(|after| wait(after, now));
        let doubled = FIRST_WAIT.saturating_mul(1 << (self.retries - 1)).min(LONGEST_WAIT);
        // Up to a quarter less, so that instances that failed together do not come back together.
        named.unwrap_or_else(|| doubled.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0)))
    }

    fn last(&self, failure: Failure) -> Failure {
        match failure {
            Failure::UpstreamModel { .. } => {
                Failure::UpstreamModel { models: self.settings.models.clone() }
            }
            other => other,
        }
    }
}

/// Goes through a list of which some have failed lately.
#[derive(Debug)]
struct Tried {
    current: usize,
    /// Those not tried yet, in the order in which they are.
    next: Vec<usize>,
}

impl Tried {
    fn new(len: usize, failed: &[Option<Instant>], now: Instant) -> Self {
        let aside = |index: &usize| {
            let failed = failed.get(*index).copied().flatten();
            failed.is_some_and(|failed| now.saturating_duration_since(failed) < ASIDE)
        };
        let (aside, fresh): (Vec<_>, Vec<_>) = (0..len).partition(aside);
        let mut order = fresh.into_iter().chain(aside);
        Self { current: order.next().unwrap_or_default(), next: order.collect() }
    }

    /// Puts the current one aside and goes on to the next, if there is one.
    fn next(&mut self, failed: &mut Vec<Option<Instant>>, now: Instant) -> bool {
        if failed.len() <= self.current {
            failed.resize(self.current + 1, None);
        }
        failed[self.current] = Some(now);
        if self.next.is_empty() {
            return false;
        }
        self.current = self.next.remove(0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn now(instant: Instant, left: u64) -> Now {
        Now { instant, time: SystemTime::UNIX_EPOCH, left: Some(Duration::from_secs(left)) }
    }

    fn failed() -> Refusal {
        Refusal::passing(Failure::AnswerEmpty { out_of_tokens: false })
    }

    fn busy(after: &str) -> Refusal {
        let retry_after = Some(after.to_owned());
        Refusal {
            retry_after: retry_after.clone(),
            ..Refusal::passing(Failure::UpstreamBusy { retry_after })
        }
    }

    #[test]
    fn the_budget_leaves_a_margin() {
        let ms = Duration::from_millis;
        let unset = settings(&[]);
        assert_eq!(budget(&unset, None), ms(60_000));
        assert_eq!(budget(&unset, Some(ms(3_000))), ms(2_700));
        assert_eq!(budget(&unset, Some(ms(60_000))), ms(59_000));
        assert!(Instant::now().checked_add(budget(&unset, Some(Duration::MAX))).is_some());
        let five = settings(&[("ASK_TIMEOUT", "5")]);
        assert_eq!(budget(&five, Some(ms(60_000))), ms(5_000));
        assert_eq!(budget(&five, Some(ms(3_000))), ms(2_700));
    }

    #[test]
    fn what_may_pass_is_tried_twice_more_after_growing_waits() {
        let settings = settings(&[("OPENAI_API_KEY", "k")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let mut attempts = Attempts::new(&settings, &memory, start);
        assert_eq!(
            attempts.after(failed(), &mut memory, now(start, 60), 0.0),
            Ok(Duration::from_millis(500))
        );
        assert_eq!(
            attempts.after(failed(), &mut memory, now(start, 60), 1.0),
            Ok(Duration::from_millis(750))
        );
        assert!(attempts.after(failed(), &mut memory, now(start, 60), 0.0).is_err());
        assert_eq!(attempts.count, 3);
    }

    #[test]
    fn the_providers_wait_is_kept_where_it_fits_and_nothing_is_tried_where_it_does_not() {
        let settings = settings(&[("OPENAI_API_KEY", "k")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let mut attempts = Attempts::new(&settings, &memory, start);
        assert_eq!(
            attempts.after(busy("7"), &mut memory, now(start, 60), 0.5),
            Ok(Duration::from_secs(7))
        );
        assert_eq!(
            attempts.after(busy("61"), &mut memory, now(start, 60), 0.5),
            Err(Failure::UpstreamBusy { retry_after: Some("61".into()) })
        );
        let unlimited = Now { left: None, ..now(start, 0) };
        let mut attempts = Attempts::new(&settings, &memory, start);
        assert_eq!(
            attempts.after(busy("59"), &mut memory, unlimited, 0.5),
            Ok(Duration::from_secs(59))
        );
        assert!(attempts.after(busy("61"), &mut memory, unlimited, 0.5).is_err());
    }

    #[test]
    fn a_date_to_wait_for_is_never_waited_for_by_a_clock_that_has_jumped() {
        let settings = settings(&[("OPENAI_API_KEY", "k")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        let years = Duration::from_secs(100 * 365 * 86_400);
        let after = |time, left, memory: &mut Memory| {
            let now = Now { instant: start, time, left };
            Attempts::new(&settings, memory, start).after(busy(date), memory, now, 0.5)
        };
        for left in [None, Some(Duration::from_secs(59))] {
            for back in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - years] {
                let told = Failure::UpstreamBusy { retry_after: Some(date.into()) };
                assert_eq!(after(back, left, &mut memory), Err(told));
            }
            for forward in [SystemTime::UNIX_EPOCH + years, SystemTime::UNIX_EPOCH + years * 1000] {
                assert_eq!(after(forward, left, &mut memory), Ok(Duration::ZERO));
            }
        }
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let settings = settings(&[("OPENAI_API_KEY", "k")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        for failure in [
            Failure::UpstreamKey,
            Failure::UpstreamRegion,
            Failure::AnswerFiltered,
            Failure::Deadline,
        ] {
            let mut attempts = Attempts::new(&settings, &memory, start);
            assert_eq!(
                attempts.after(failure.clone().into(), &mut memory, now(start, 60), 0.5),
                Err(failure)
            );
        }
    }

    #[test]
    fn the_next_key_is_remembered_and_the_first_tried_again_after_ten_minutes() {
        let settings = settings(&[("OPENAI_API_KEY", "a,b,c")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let key = |attempts: &Attempts| attempts.key().unwrap().expose().to_owned();

        let mut attempts = Attempts::new(&settings, &memory, start);
        assert_eq!(key(&attempts), "a");
        assert!(
            attempts.after(Failure::UpstreamKey.into(), &mut memory, now(start, 60), 0.5).is_ok()
        );
        assert_eq!(key(&attempts), "b");
        assert!(
            attempts.after(Failure::UpstreamQuota.into(), &mut memory, now(start, 60), 0.5).is_ok()
        );
        assert_eq!(key(&attempts), "c");

        assert_eq!(key(&Attempts::new(&settings, &memory, start + Duration::from_secs(599))), "c");
        assert_eq!(key(&Attempts::new(&settings, &memory, start + Duration::from_secs(600))), "a");
        let years = Duration::from_secs(100 * 365 * 86_400);
        assert_eq!(key(&Attempts::new(&settings, &memory, start + years)), "a");
        assert_eq!(key(&Attempts::new(&settings, &memory, start - Duration::from_secs(1))), "c");
    }

    #[test]
    fn every_key_is_tried_before_the_failure_is_told() {
        let settings = settings(&[("OPENAI_API_KEY", "a,b")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let mut attempts = Attempts::new(&settings, &memory, start);
        assert!(
            attempts.after(Failure::UpstreamKey.into(), &mut memory, now(start, 60), 0.5).is_ok()
        );
        assert_eq!(
            attempts.after(Failure::UpstreamKey.into(), &mut memory, now(start, 60), 0.5),
            Err(Failure::UpstreamKey)
        );
        let again = Attempts::new(&settings, &memory, start);
        assert_eq!(again.key().unwrap().expose(), "a");
    }

    #[test]
    fn the_next_model_is_asked_and_all_are_named_where_none_is_there() {
        let settings = settings(&[("OPENAI_MODEL", "m1,m2")]);
        let mut memory = Memory::default();
        let start = Instant::now();
        let none = || Refusal::from(Failure::UpstreamModel { models: Vec::new() });
        let mut attempts = Attempts::new(&settings, &memory, start);
        assert_eq!(attempts.model(), "m1");
        assert!(attempts.after(none(), &mut memory, now(start, 60), 0.5).is_ok());
        assert_eq!(attempts.model(), "m2");
        assert_eq!(
            attempts.after(none(), &mut memory, now(start, 60), 0.5),
            Err(Failure::UpstreamModel { models: vec!["m1".into(), "m2".into()] })
        );
    }
}
