//! How often somebody may try: against guessing of passwords, and against making us hash all day.

use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tower_jwt_auth::Clock;

use crate::error::AppError;

/// Attempts a minute for one account from one address.
const PER_ACCOUNT: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Attempts a minute from one address, whatever the account: logins and sign-ups.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Bits of the IPv6 network of one host: whoever has one address of it has them all.
const HOST_BITS: u32 = 64;
/// Bits of the IPv6 network of one site. It has 65,536 of the former, which must not be as many tries for one account.
const SITE_BITS: u32 = 48;
/// How many addresses and accounts are remembered; a table that is full of recent ones lets nobody new in.
const REMEMBERED: usize = 100_000;

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, Time, NoOpMiddleware<Duration>>;

/// Counts attempts; in memory, so a restart forgets them.
pub struct Limits {
    accounts: Keyed<(IpAddr, String)>,
    addresses: Keyed<IpAddr>,
    time: Time,
}

/// The clock of the application, as `governor` reads it.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl governor::clock::Clock for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now().since_epoch()
    }
}

impl Limits {
    /// Measures by this clock.
    pub fn new(clock: impl Clock) -> Self {
        let time = Time(Arc::new(clock));
        Self {
            accounts: RateLimiter::hashmap_with_clock(Quota::per_minute(PER_ACCOUNT), time.clone()),
            addresses: RateLimiter::hashmap_with_clock(Quota::per_minute(PER_ADDRESS), time.clone()),
            time,
        }
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// `TooMany` from this address.
    pub fn sign_up(&self, address: IpAddr) -> Result<(), AppError> {
        self.count(&self.addresses, &network(address, HOST_BITS))
    }

    /// Counts an attempt to log in, whether it will succeed or not.
    ///
    /// # Errors
    /// `TooMany` from this address, or for this account from this address.
    pub fn log_in(&self, address: IpAddr, username: &str) -> Result<(), AppError> {
        self.count(&self.addresses, &network(address, HOST_BITS))?;
        self.count(&self.accounts, &(network(address, SITE_BITS), username.to_owned()))
    }

    fn count<K: Hash + Eq + Clone>(&self, limiter: &Keyed<K>, key: &K) -> Result<(), AppError> {
        if limiter.len() >= REMEMBERED {
            limiter.retain_recent();
            if limiter.len() >= REMEMBERED {
                return Err(AppError::Busy);
            }
        }
        limiter.check_key(key).map_err(|refused| {
            AppError::TooMany(refused.wait_time_from(governor::clock::Clock::now(&self.time)))
        })
    }
}

/// The network of an IPv6 address that counts as one.
fn network(address: IpAddr, prefix: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(prefix).unwrap_or_default();
            IpAddr::V6((address.to_bits() & !rest).into())
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tower_jwt_auth::TestClock;

    use super::*;

    fn limits() -> (Limits, TestClock) {
        let clock = TestClock::now();
        (Limits::new(clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn wait(result: Result<(), AppError>) -> Option<Duration> {
        match result {
            Ok(()) => None,
            Err(AppError::TooMany(wait)) => Some(wait),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn five_a_minute_for_an_account() {
        let (limits, clock) = limits();
        let here = address("192.0.2.1");
        for _ in 0..5 {
            assert_eq!(wait(limits.log_in(here, "alice")), None);
        }
        assert_eq!(wait(limits.log_in(here, "alice")), Some(Duration::from_secs(12)));
        assert_eq!(wait(limits.log_in(here, "bob")), None, "another account");
        assert_eq!(wait(limits.log_in(address("192.0.2.2"), "alice")), None, "another address");
        clock.advance(Duration::from_secs(12) - Duration::from_nanos(1));
        assert!(wait(limits.log_in(here, "alice")).is_some());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(wait(limits.log_in(here, "alice")), None);
        assert!(wait(limits.log_in(here, "alice")).is_some(), "one place came free, not five");
    }

    #[test]
    fn a_site_has_many_hosts_but_no_more_guesses_for_an_account() {
        let (limits, _) = limits();
        let guess = |host: &str| wait(limits.log_in(address(host), "alice")).is_none();
        let hosts = (0..100).filter(|host| guess(&format!("2001:db8:0:{host:x}::1")));
        assert_eq!(hosts.count(), 5);
        assert!(guess("2001:db8:1::1"), "the next /48");
    }

    #[test]
    fn an_address_cannot_go_through_all_accounts() {
        let (limits, clock) = limits();
        let here = address("2001:db8::1");
        for n in 0..30 {
            assert_eq!(wait(limits.log_in(here, &format!("user{n}"))), None);
        }
        assert_eq!(wait(limits.log_in(here, "next")), Some(Duration::from_secs(2)));
        assert!(wait(limits.sign_up(here)).is_some());
        assert!(wait(limits.sign_up(address("2001:db8::ffff:1"))).is_some(), "the same /64");
        assert_eq!(wait(limits.sign_up(address("2001:db8:0:1::1"))), None, "the next /64");
        assert!(wait(limits.sign_up(address("::ffff:192.0.2.1"))).is_none(), "IPv4, mapped");
        clock.advance(Duration::from_secs(2));
        assert_eq!(wait(limits.sign_up(here)), None);
    }
}
