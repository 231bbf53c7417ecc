//! The limit of questions per minute and client address (`ASK_RATE`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// The window in which questions are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Maximum number of addresses. A full table without expired entries is cleared.
const MAX_ADDRESSES: usize = 10_000;

/// Counts the questions of each address. Each instance counts its own, so the limit is best effort.
#[derive(Debug, Default)]
pub struct RateLimiter(HashMap<IpAddr, Window>);

#[derive(Debug)]
struct Window {
    start: Instant,
    questions: u32,
}

impl RateLimiter {
    /// Counts one question of this address.
    ///
    /// # Errors
    /// [`Failure::Rate`] if the address has asked `rate` questions in the current window.
    pub fn check(&mut self, address: IpAddr, rate: u32, now: Instant) -> Result<(), Failure> {
        if self.0.len() >= MAX_ADDRESSES {
            self.0.retain(|_, window| now.saturating_duration_since(window.start) < WINDOW);
            if self.0.len() >= MAX_ADDRESSES {
                self.0.clear();
            }
        }
        let window = self.0.entry(network(address)).or_insert(Window { start: now, questions: 0 });
        let elapsed = now.saturating_duration_since(window.start);
        if elapsed >= WINDOW {
            *window = Window { start: now, questions: 0 };
        }
        if window.questions >= rate {
            // Rounds up to whole seconds, so that no client retries too early.
            return Err(Failure::Rate {
                retry_after: WINDOW - elapsed + Duration::from_millis(999),
            });
        }
        window.questions += 1;
        Ok(())
    }
}

/// Returns the counted network: a whole /64 of IPv6 addresses is one client.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 => v4,
    }
}

/// Parses the address in a header: bare, with a port, or in brackets.
pub fn parse_address(value: &str) -> Option<IpAddr> {
    let value = value.trim();
    let bare = value.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let without_port = value.rsplit_once(':').map(|(address, _)| address);
    [Some(value), bare, without_port].into_iter().flatten().find_map(|address| address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_one_address_are_limited_per_minute() {
        let mut limiter = RateLimiter::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let one = "203.0.113.7".parse().unwrap();
        assert!(limiter.check(one, 2, start).is_ok() && limiter.check(one, 2, after(10)).is_ok());
        let error = limiter.check(one, 2, after(20)).unwrap_err();
        assert_eq!((error.code(), error.retry_after().as_deref()), ("rate", Some("40")));
        assert!(limiter.check("203.0.113.8".parse().unwrap(), 2, after(20)).is_ok());
        assert!(limiter.check(one, 2, after(60)).is_ok());
    }

    #[test]
    fn clock_jumps_start_at_most_one_new_window() {
        let mut limiter = RateLimiter::default();
        let one = "203.0.113.7".parse().unwrap();
        let start = Instant::now();
        let years = Duration::from_secs(100 * 365 * 86_400);
        assert!(limiter.check(one, 1, start).is_ok());
        assert!(limiter.check(one, 1, start + years).is_ok());
        let error = limiter.check(one, 1, start).unwrap_err();
        assert_eq!(error.retry_after().as_deref(), Some("60"));
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_client() {
        let mut limiter = RateLimiter::default();
        let now = Instant::now();
        assert!(limiter.check("2001:db8::1".parse().unwrap(), 1, now).is_ok());
        assert!(limiter.check("2001:db8::ffff:2".parse().unwrap(), 1, now).is_err());
        assert!(limiter.check("2001:db8:0:1::1".parse().unwrap(), 1, now).is_ok());
        assert!(limiter.check("::ffff:203.0.113.7".parse().unwrap(), 1, now).is_ok());
        assert!(limiter.check("203.0.113.7".parse().unwrap(), 1, now).is_err());
    }

    #[test]
    fn table_is_bounded() {
        let mut limiter = RateLimiter::default();
        let now = Instant::now();
        for number in 0..3 * MAX_ADDRESSES as u32 {
            assert!(limiter.check(IpAddr::from(number.to_be_bytes()), 1, now).is_ok());
        }
        assert!(limiter.0.len() <= MAX_ADDRESSES);
    }

    #[test]
    fn address_may_have_a_port() {
        for value in ["203.0.113.7", "203.0.113.7:51234", " 203.0.113.7 "] {
            assert_eq!(parse_address(value), Some("203.0.113.7".parse().unwrap()), "{value}");
        }
        for value in ["2001:db8::1", "[2001:db8::1]:51234", "[2001:db8::1]"] {
            assert_eq!(parse_address(value), Some("2001:db8::1".parse().unwrap()), "{value}");
        }
        assert_eq!(parse_address("unknown"), None);
    }
}
