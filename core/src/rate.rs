//! How many questions one address may ask in a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// The window in which questions are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// No more addresses are kept; beyond it the table starts anew rather than grow.
const MOST_ADDRESSES: usize = 10_000;

/// Counts the questions of each address. One instance knows only its own callers, so this is best effort.
#[derive(Debug, Default)]
pub struct Rates(HashMap<IpAddr, Count>);

#[derive(Debug)]
struct Count {
    since: Instant,
    questions: u32,
}

impl Rates {
    /// Counts one question of this address. Fails where there were `rate` of them in the minute that it began.
    pub fn count(&mut self, address: IpAddr, rate: u32, now: Instant) -> Result<(), Failure> {
        if self.0.len() >= MOST_ADDRESSES {
            self.0.retain(|_, count| now.saturating_duration_since(count.since) < WINDOW);
            if self.0.len() >= MOST_ADDRESSES {
                self.0.clear();
            }
        }
        let count = self.0.entry(network(address)).or_insert(Count { since: now, questions: 0 });
        let spent = now.saturating_duration_since(count.since);
        if spent >= WINDOW {
            *count = Count { since: now, questions: 0 };
        }
        if count.questions >= rate {
            // Rounded up: a second too late is better than too early.
            return Err(Failure::Rate { after: WINDOW - spent + Duration::from_millis(999) });
        }
        count.questions += 1;
        Ok(())
    }
}

/// One caller has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 => v4,
    }
}

/// The address in a header: alone, with a port, or in brackets.
pub fn address(value: &str) -> Option<IpAddr> {
    let value = value.trim();
    let bare = value.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let without_port = value.rsplit_once(':').map(|(address, _)| address);
    [Some(value), bare, without_port].into_iter().flatten().find_map(|address| address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_so_many_questions_of_one_address() {
        let mut rates = Rates::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let one = "203.0.113.7".parse().unwrap();
        assert!(rates.count(one, 2, start).is_ok() && rates.count(one, 2, after(10)).is_ok());
        let refused = rates.count(one, 2, after(20)).unwrap_err();
        assert_eq!((refused.code(), refused.retry_after().as_deref()), ("rate", Some("40")));
        assert!(rates.count("203.0.113.8".parse().unwrap(), 2, after(20)).is_ok());
        assert!(rates.count(one, 2, after(60)).is_ok());
    }

    #[test]
    fn a_freeze_of_years_begins_a_new_minute_and_a_clock_that_goes_back_none() {
        let mut rates = Rates::default();
        let one = "203.0.113.7".parse().unwrap();
        let start = Instant::now();
        let years = Duration::from_secs(100 * 365 * 86_400);
        assert!(rates.count(one, 1, start).is_ok());
        assert!(rates.count(one, 1, start + years).is_ok());
        let refused = rates.count(one, 1, start).unwrap_err();
        assert_eq!(refused.retry_after().as_deref(), Some("60"));
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_caller() {
        let mut rates = Rates::default();
        let now = Instant::now();
        assert!(rates.count("2001:db8::1".parse().unwrap(), 1, now).is_ok());
        assert!(rates.count("2001:db8::ffff:2".parse().unwrap(), 1, now).is_err());
        assert!(rates.count("2001:db8:0:1::1".parse().unwrap(), 1, now).is_ok());
        assert!(rates.count("::ffff:203.0.113.7".parse().unwrap(), 1, now).is_ok());
        assert!(rates.count("203.0.113.7".parse().unwrap(), 1, now).is_err());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rates = Rates::default();
        let now = Instant::now();
        for number in 0..3 * MOST_ADDRESSES as u32 {
            assert!(rates.count(IpAddr::from(number.to_be_bytes()), 1, now).is_ok());
        }
        assert!(rates.0.len() <= MOST_ADDRESSES);
    }

    #[test]
    fn an_address_may_have_a_port() {
        for value in ["203.0.113.7", "203.0.113.7:51234", " 203.0.113.7 "] {
            assert_eq!(address(value), Some("203.0.113.7".parse().unwrap()), "{value}");
        }
        for value in ["2001:db8::1", "[2001:db8::1]:51234", "[2001:db8::1]"] {
            assert_eq!(address(value), Some("2001:db8::1".parse().unwrap()), "{value}");
        }
        assert_eq!(address("unknown"), None);
    }
}
