//! Our verdict held against that of `jsonwebtoken::decode`, on tokens made to find a difference.
//!
//! Both are configured alike. Where the verdicts differ, it is because we are the stricter one, for one of the
//! reasons in [`Difference`], and that reason is one that really applies to the token and that we really gave.

mod difference;
mod token;

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;
use tower_jwt_auth::{
    Algorithm, Authority, KeySet, Reason, Secret, TestClock, TestIssuer, UnixTime, Verifier,
};

use self::difference::{Difference, Seen};
use self::token::{Case, Edit, cases};
use crate::keys::hmac_token;
use crate::support::verify;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "api";
const LEEWAY: u64 = 30;
const SECRET: [u8; 32] = *b"Zt8q1xJ0m3b7Ck5Rv2Ye9Lw6Hp4Nd8Su";

/// Keys made once, on both sides: ours with a `kid`, except for the secret.
static SIGNERS: LazyLock<[TestIssuer; 3]> = LazyLock::new(|| {
    [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256]
        .map(|algorithm| TestIssuer::with_algorithm(ISSUER, algorithm))
});

/// Who signs: the shared secret, or one of [`SIGNERS`].
#[derive(Clone, Copy, Debug)]
enum Signer {
    Secret,
    Public(usize),
}

impl Signer {
    fn algorithm(self) -> jsonwebtoken::Algorithm {
        use jsonwebtoken::Algorithm::*;
        match self {
            Self::Secret => HS256,
            Self::Public(which) => [ES256, EdDSA, RS256][which],
        }
    }

    fn kid(self) -> Option<&'static str> {
        match self {
            Self::Secret => None,
            Self::Public(which) => Some(SIGNERS[which].kid()),
        }
    }

    fn sign(self, header: &str, payload: &str) -> String {
        match self {
            Self::Secret => hmac_token(self.algorithm(), &SECRET, header, payload),
            Self::Public(which) => SIGNERS[which].sign_raw(header, payload),
        }
    }

    fn our_keys(self) -> KeySet {
        match self {
            Self::Secret => {
                KeySet::from_secret(Algorithm::HS256, Secret::from_bytes(SECRET).unwrap()).unwrap()
            }
            Self::Public(which) => SIGNERS[which].key_set(),
        }
    }

    fn their_key(self) -> DecodingKey {
        match self {
            Self::Secret => DecodingKey::from_secret(&SECRET),
            Self::Public(which) => {
                let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&SIGNERS[which].jwks()).unwrap();
                DecodingKey::from_jwk(&set.keys[0]).unwrap()
            }
        }
    }

    fn ours(self, now: u64, token: &str) -> Result<Value, (Reason, Option<String>)> {
        let authority = Authority::keys(self.our_keys())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .leeway(Duration::from_secs(LEEWAY));
        let clock = TestClock::at(UnixTime::from_secs(now));
        let verifier = Verifier::<Value>::builder().authority(authority).clock(clock).build().unwrap();
        let verdict = verify(&verifier, token).map(|jwt| (*jwt).clone());
        verdict.map_err(|error| (error.reason(), error.claim().map(str::to_owned)))
    }

    /// `careful`: told that `iss` and `aud` must be there, which is not what setting them does.
    fn theirs(self, careful: bool, token: &str) -> Option<Value> {
        // Named, since it panics where features of other crates leave none or two to choose from.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(self.algorithm());
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        if careful {
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        }
        jsonwebtoken::decode(token, &self.their_key(), &validation).ok().map(|data| data.claims)
    }
}

/// What became of one token on both sides.
#[derive(Debug, PartialEq)]
enum Outcome {
    BothAccept,
    BothRefuse,
    OnlyTheyAccept(Vec<Difference>),
}

/// Holds the verdicts against each other.
fn judge(case: &Case) -> Result<Outcome, String> {
    // They read the clock of the system, so the token is made anew if a second ends meanwhile.
    let (now, token, theirs) = loop {
        let now = jsonwebtoken::get_current_timestamp();
        let token = case.render(now);
        let theirs = case.signer.theirs(case.careful, &token);
        if jsonwebtoken::get_current_timestamp() == now {
            break (now, token, theirs);
        }
    };
    match (case.signer.ours(now, &token), theirs) {
        (Ok(ours), Some(theirs)) if ours == theirs => Ok(Outcome::BothAccept),
        (Ok(ours), Some(theirs)) => Err(format!("the claims differ: {ours} and {theirs}")),
        (Err(_), None) => Ok(Outcome::BothRefuse),
        (Ok(_), None) => Err(format!("only we accept {token}")),
        (Err((reason, claim)), Some(_)) => {
            let seen = Seen::new(case, now, &token);
            let explains =
                |difference: &Difference| difference.refusal(&seen) == Some((reason, claim.as_deref()));
            let found: Vec<_> = Difference::ALL.into_iter().filter(explains).collect();
            if found.is_empty() {
                Err(format!("nothing explains {reason} ({claim:?}) for {token}"))
            } else {
                Ok(Outcome::OnlyTheyAccept(found))
            }
        }
    }
}

#[test]
fn the_verdicts_are_equal_or_we_are_stricter_for_a_reason_on_the_list() {
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let (accepted, refused, stricter) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    TestRunner::new(config)
        .run(&cases(), |case| {
            match judge(&case).map_err(TestCaseError::fail)? {
                Outcome::BothAccept => count(&accepted),
                Outcome::BothRefuse => count(&refused),
                Outcome::OnlyTheyAccept(_) => count(&stricter),
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    // A run that met one kind only would prove nothing.
    for (what, counter) in [("accepted", accepted), ("refused", refused), ("stricter", stricter)] {
        assert!(counter.get() > 50, "{what}: {}", counter.get());
    }
}

#[test]
fn each_difference_on_the_list_is_a_real_one() {
    for difference in Difference::ALL {
        let case = difference.example();
        match judge(&case) {
            Ok(Outcome::OnlyTheyAccept(found)) if found == [difference] => {}
            other => panic!("{difference:?}: {other:?}"),
        }
    }
}

#[test]
fn without_an_edit_both_accept_whoever_signs() {
    for signer in [Signer::Secret, Signer::Public(0), Signer::Public(1), Signer::Public(2)] {
        for careful in [true, false] {
            let case = Case { signer, careful, edits: Vec::new() };
            assert_eq!(judge(&case), Ok(Outcome::BothAccept), "{case:?}");
        }
    }
}

#[test]
fn what_only_we_accept_is_no_weaker_check() {
    // A name for the same operation that they do not know (RFC 9864).
    let fully_specified = Case::new(Signer::Public(1), [Edit::header("alg", r#""Ed25519""#)]);
    // Members that we never read and they parse: where a header claims to bring a key.
    let unread = ["jku", "x5u", "x5c", "x5t", "url", "nonce"]
        .map(|name| Case::new(Signer::Secret, [Edit::header(name, "7")]));
    for case in std::iter::once(&fully_specified).chain(&unread) {
        let now = jsonwebtoken::get_current_timestamp();
        let token = case.render(now);
        assert!(case.signer.theirs(case.careful, &token).is_none(), "{case:?}");
        assert!(case.signer.ours(now, &token).is_ok(), "{case:?}");
    }
}
