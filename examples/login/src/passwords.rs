//! Passwords: Argon2id (RFC 9106), and never more at once than the machine can bear.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::AppError;

/// Characters: what NIST SP 800-63B-4 asks for where the password is the only factor.
pub const MIN_CHARACTERS: usize = 15;
/// Bytes: more than anybody types.
pub const MAX_BYTES: usize = 1024;

/// Memory in KiB, rounds, lanes: the first choice of OWASP's password storage cheat sheet. Raise them as machines get
/// faster; hashes of old logins are made anew when their users come back.
const PARAMETERS: (u32, u32, u32) = (19 * 1024, 2, 1);
/// How many may wait for their turn; further ones are sent away.
const QUEUE: usize = 64;

/// What somebody typed. Wiped after use, and not shown by `Debug`.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// Whether it may be the password of a new account.
    ///
    /// # Errors
    /// Says which rule it breaks. There are none about digits and signs: they make passwords worse.
    pub fn check(&self, username: &str) -> Result<(), AppError> {
        let invalid = |text| Err(AppError::Invalid(StatusCode::BAD_REQUEST, text));
        if self.0.chars().count() < MIN_CHARACTERS {
            return invalid("The password needs at least 15 characters: a few words will do.");
        }
        if self.0.len() > MAX_BYTES {
            return invalid("The password may have at most 1024 bytes.");
        }
        let distinct: std::collections::HashSet<char> = self.0.chars().collect();
        if distinct.len() < 5 || self.0.to_lowercase().replace(username, "").chars().count() < 8 {
            return invalid("This password is too easy to guess.");
        }
        Ok(())
    }

    /// The text itself, to show it to whoever needs to know. Every use of it can be searched for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Twenty letters and digits at random: 100 bits.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn generate() -> Result<Self, AppError> {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut bytes = [0; 20];
        getrandom::fill(&mut bytes)?;
        let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from);
        Ok(bytes.iter().filter_map(letter).collect::<String>().into())
    }
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password, or nobody's.
    Wrong,
    /// The password.
    Right,
    /// The password, but its hash was made with other parameters than today's.
    RightButStale,
}

/// Hashes and compares, a bounded number at a time.
#[derive(Clone, Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// What is compared with when there is no such user, so that the work is the same.
    nobody: Arc<str>,
    queue: Arc<Semaphore>,
    running: Arc<Semaphore>,
    comparisons: Arc<AtomicU64>,
}

impl Passwords {
    /// Hashes as many at once as there are processors.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn new() -> Result<Self, AppError> {
        let (memory, rounds, lanes) = PARAMETERS;
        let parameters =
            Params::new(memory, rounds, lanes, None).map_err(argon2::password_hash::Error::from)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let nobody = hash(&argon2, &Password::generate()?)?.into();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            argon2,
            nobody,
            queue: Arc::new(Semaphore::new(processors + QUEUE)),
            running: Arc::new(Semaphore::new(processors)),
            comparisons: Arc::default(),
        })
    }

    /// The PHC string of a new password, with a salt of its own.
    ///
    /// # Errors
    /// `Busy` if too many are waiting.
    pub async fn hash(&self, password: Password) -> Result<String, AppError> {
        let argon2 = self.argon2.clone();
        self.run(move || hash(&argon2, &password)).await
    }

    /// Compares with the PHC string `stored`; `None` stands for an unknown user, and costs the same.
    ///
    /// # Errors
    /// `Busy` if too many are waiting, `Internal` for a string that is none of Argon2.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict, AppError> {
        let argon2 = self.argon2.clone();
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.to_string());
        let comparisons = Arc::clone(&self.comparisons);
        self.run(move || {
            let hash = PasswordHash::new(&stored)?;
            comparisons.fetch_add(1, Ordering::Relaxed);
            match argon2.verify_password(password.0.as_bytes(), &hash) {
                Ok(()) if known && is_current(&argon2, &hash) => Ok(Verdict::Right),
                Ok(()) if known => Ok(Verdict::RightButStale),
                Ok(()) | Err(argon2::password_hash::Error::Password) => Ok(Verdict::Wrong),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// How many comparisons have run, for tests and metrics.
    #[must_use]
    pub fn comparisons(&self) -> u64 {
        self.comparisons.load(Ordering::Relaxed)
    }

    /// Runs `job` on a thread that may block. Both permits go with it: a caller who hangs up does not make room.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| AppError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| AppError::Busy)?;
        tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            job()
        })
        .await?
    }
}

fn hash(argon2: &Argon2<'_>, password: &Password) -> Result<String, AppError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let salt = SaltString::encode_b64(&salt)?;
    Ok(argon2.hash_password(password.0.as_bytes(), &salt)?.to_string())
}

fn is_current(argon2: &Argon2<'_>, hash: &PasswordHash<'_>) -> bool {
    let parameters = Params::try_from(hash);
    let same = |old: &Params| {
        let now = argon2.params();
        (old.m_cost(), old.t_cost(), old.p_cost()) == (now.m_cost(), now.t_cost(), now.p_cost())
    };
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && parameters.is_ok_and(|old| same(&old))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash(password("correct horse battery")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verify = async |text, stored| passwords.verify(password(text), stored).await.unwrap();
        assert_eq!(verify("correct horse battery", Some(stored.clone())).await, Verdict::Right);
        assert_eq!(verify("correct horse batterz", Some(stored.clone())).await, Verdict::Wrong);
        assert_eq!(verify("correct horse battery", None).await, Verdict::Wrong);
        assert_eq!(passwords.comparisons(), 3);
        let again = passwords.hash(password("correct horse battery")).await.unwrap();
        assert_ne!(stored, again, "each hash has a salt of its own");
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_stale() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let other =
            Argon2::new(Algorithm::Argon2i, Version::V0x13, Params::new(19 * 1024, 2, 1, None).unwrap());
        let passwords = Passwords::new().unwrap();
        for old in [weak, other] {
            let stored = hash(&old, &password("correct horse battery")).unwrap();
            let verdict = passwords.verify(password("correct horse battery"), Some(stored.clone())).await;
            assert_eq!(verdict.unwrap(), Verdict::RightButStale);
            assert_eq!(passwords.verify(password("wrong"), Some(stored)).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_flood_is_sent_away() {
        let mut passwords = Passwords::new().unwrap();
        passwords.queue = Arc::new(Semaphore::new(2));
        passwords.running = Arc::new(Semaphore::new(0)); // nobody gets a turn yet
        let waiting = |passwords: &Passwords| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.hash(password("correct horse battery")).await })
        };
        let (first, second) = (waiting(&passwords), waiting(&passwords));
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let third = tokio::select! {
            biased;
            answer = passwords.verify(password("x"), None) => answer,
            () = std::future::ready(()) => panic!("it waits"),
        };
        assert!(matches!(third, Err(AppError::Busy)));
        passwords.running.add_permits(1);
        assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
        assert!(passwords.verify(password("x"), None).await.is_ok());
    }

    #[test]
    fn rules_of_new_passwords() {
        let good = |text: &str| password(text).check("alice").is_ok();
        assert!(good("correct horse battery") && good("fünfzehn Zeichen") && good(&"abcdefgh".repeat(128)));
        assert!(!good("fourteen chars"), "14 characters");
        assert!(!good(&"abcdefgh1".repeat(114)), "1026 bytes");
        assert!(!good("aaaaaaaaaaaaaaaaaaaa") && !good("AliceAliceAlice12"));
        assert_eq!(format!("{:?}", password("correct horse battery")), "Password(..)");
    }
}
