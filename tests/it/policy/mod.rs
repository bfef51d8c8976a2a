//! The claim rules, each at its edge, by a clock that stands still.

mod audience;
mod authorities;
mod checks;
mod config;
mod early;
mod errors;
mod explain;
mod kinds;
mod limits;
mod meaning;
mod precedence;
mod required;
mod times;
mod types;
mod yesterday;

use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, TestClock, TestIssuer, UnixTime, Verifier};

use crate::support::verify;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISS: &str = "https://id.example.com";

/// An issuer whose clock stands at [`NOW`], for the audience `api`.
pub(crate) struct Bench {
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: TestClock,
}

impl Bench {
    /// Signs with HS256, which is fast enough for long tables.
    pub(crate) fn new() -> Self {
        Self::with_algorithm(Algorithm::HS256)
    }

    pub(crate) fn with_algorithm(algorithm: Algorithm) -> Self {
        let clock = TestClock::at(UnixTime::from_secs(NOW));
        let issuer = TestIssuer::with_algorithm(ISS, algorithm).audience("api").clock(clock.clone());
        Self { issuer, clock }
    }

    /// An authority for the issuer's keys that says nothing else yet.
    pub(crate) fn bare(&self) -> Authority {
        Authority::keys(self.issuer.key_set())
    }

    pub(crate) fn verifier(&self, policy: impl Fn(Authority) -> Authority) -> Verifier<Claims> {
        self.verifier_of(policy(self.issuer.authority()))
    }

    pub(crate) fn verifier_of<C>(&self, authority: Authority) -> Verifier<C>
    where
        C: serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        Verifier::builder().authority(authority).clock(self.clock.clone()).build().unwrap()
    }

    /// The verdict of an authority on a token, which must be the same whatever the claims type.
    pub(crate) fn judge(&self, authority: impl Fn() -> Authority, token: &str) -> String {
        let typed = verdict(&self.verifier_of::<Claims>(authority()), token);
        let unit = verdict(&self.verifier_of::<()>(authority()), token);
        let json = verdict(&self.verifier_of::<Box<serde_json::value::RawValue>>(authority()), token);
        assert_eq!([&typed, &typed], [&unit, &json], "the claims type changes the verdict");
        typed
    }

    /// A signed token of good claims, in which the claim `name` is this JSON text, or absent.
    pub(crate) fn token_with(&self, name: &str, text: impl Into<Option<&'static str>>) -> String {
        let text = text.into();
        self.token_of(name, text)
    }

    pub(crate) fn token_of(&self, name: &str, text: Option<&str>) -> String {
        let good = [
            ("iss", format!("{ISS:?}")),
            ("sub", "\"bob\"".to_owned()),
            ("aud", "\"api\"".to_owned()),
            ("exp", (NOW + 600).to_string()),
            ("iat", (NOW - 1000).to_string()),
            ("jti", "\"1\"".to_owned()),
        ];
        let mut members: Vec<String> = good
            .iter()
            .filter(|(good, _)| *good != name)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        members.extend(text.map(|text| format!("\"{name}\":{text}")));
        self.issuer.sign_raw(self.header(), format!("{{{}}}", members.join(",")))
    }

    /// A good header.
    pub(crate) fn header(&self) -> String {
        let algorithm = self.issuer.key_set().iter().next().unwrap().algorithm().unwrap();
        json!({ "alg": algorithm.as_str(), "kid": self.issuer.kid() }).to_string()
    }

    /// A token of the good claims, with these beside or instead of them.
    pub(crate) fn sign(&self, claims: Value) -> String {
        self.issuer.sign(claims)
    }
}

/// `accepted`, or the reason of the refusal and the claim behind it.
pub(crate) fn verdict<C>(verifier: &Verifier<C>, token: &str) -> String
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    verify(verifier, token).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}
