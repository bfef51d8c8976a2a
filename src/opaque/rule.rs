//! Which tokens belong to an authority that asks: stated, never tried.

use super::token::is_b64token;
use crate::error::ConfigError;
use crate::error::ConfigProblemKind::{Conflict, Invalid};

/// Which tokens an authority asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Those that begin with one of these.
    Prefixes(Vec<String>),
    /// Those that have not the shape of a JWT, but for the prefixes of others.
    NotJwts,
    Every,
}

const LONGEST_PREFIX: usize = 64;

impl Rule {
    /// # Errors
    /// If a prefix cannot begin a token, or begins with another one.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self::Prefixes(prefixes) = self else { return Ok(()) };
        for (position, prefix) in prefixes.iter().enumerate() {
            if prefix.len() > LONGEST_PREFIX || prefix.contains('=') || !is_b64token(prefix.as_bytes()) {
                let remedy = "use 1 to 64 letters, digits and -._~+/, such as sk_live_";
                let problem = format!("{prefix:?} cannot begin a token");
                return Err(ConfigError::new("prefix", problem, remedy).of_kind(Invalid));
            }
            if let Some(other) = prefixes.iter().skip(position + 1).find(|other| share_tokens(prefix, other))
            {
                return Err(overlap(&format!("of {prefix:?} and {other:?} one begins with the other")));
            }
        }
        Ok(())
    }

    /// # Errors
    /// If a token may belong to both. To what a prefix takes "not a JWT" lays no claim.
    pub(crate) fn check_beside(&self, other: &Self) -> Result<(), ConfigError> {
        match (self, other) {
            (Self::Every, _) | (_, Self::Every) => {
                Err(overlap("an authority takes every token, and there is another one"))
            }
            (Self::NotJwts, Self::NotJwts) => {
                Err(overlap("two authorities take every token that is not a JWT"))
            }
            (Self::Prefixes(these), Self::Prefixes(those)) => {
                let pairs = these.iter().flat_map(|this| those.iter().map(move |that| (this, that)));
                match pairs.into_iter().find(|(this, that)| share_tokens(this, that)) {
                    Some((this, that)) => {
                        Err(overlap(&format!("of {this:?} and {that:?} one begins with the other")))
                    }
                    None => Ok(()),
                }
            }
            (Self::Prefixes(_), Self::NotJwts) | (Self::NotJwts, Self::Prefixes(_)) => Ok(()),
        }
    }

    /// # Errors
    /// If it takes JWTs, which belong to other authorities.
    pub(crate) fn check_beside_jwts(&self) -> Result<(), ConfigError> {
        match self {
            Self::Every => Err(overlap("an authority takes every token, and another one JWTs")),
            Self::NotJwts => Ok(()),
            Self::Prefixes(prefixes) => match prefixes.iter().find(|prefix| may_begin_a_jwt(prefix)) {
                Some(prefix) => Err(overlap(&format!("{prefix:?} may begin a JWT, which are of others"))),
                None => Ok(()),
            },
        }
    }

    pub(crate) fn takes_by_prefix(&self, token: &[u8]) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| token.starts_with(prefix.as_bytes())),
            Self::NotJwts | Self::Every => false,
        }
    }

    /// Whether it takes what no prefix has taken.
    pub(crate) fn takes_the_rest(&self, token: &[u8]) -> bool {
        match self {
            Self::Prefixes(_) => false,
            Self::NotJwts => memchr::memchr_iter(b'.', token).count() != 2,
            Self::Every => true,
        }
    }
}

fn overlap(problem: &str) -> ConfigError {
    let remedy = "state rules of which one alone takes a token: nothing is found out by trial";
    ConfigError::new("OpaqueTokens", problem, remedy).of_kind(Conflict)
}

fn share_tokens(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether base64url of an object may begin so: `{`, and any byte behind it.
fn may_begin_a_jwt(prefix: &str) -> bool {
    match prefix.as_bytes() {
        [b'e'] => true,
        [b'e', second, ..] => matches!(second, b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes<const N: usize>(prefixes: [&str; N]) -> Rule {
        Rule::Prefixes(prefixes.map(str::to_owned).to_vec())
    }

    #[test]
    fn not_a_jwt_is_what_has_not_two_dots() {
        for (token, is_other) in
            [("abc", true), ("a.b", true), ("a.b.c", false), ("a.b.c.d.e", true), ("..", false)]
        {
            assert_eq!(Rule::NotJwts.takes_the_rest(token.as_bytes()), is_other, "{token}");
        }
    }

    #[test]
    fn rules_that_take_the_same_token_are_refused() {
        let overlapping = [
            (prefixes(["sk_"]), prefixes(["sk_live_"])),
            (prefixes(["sk_live_"]), prefixes(["x", "sk_live_"])),
            (Rule::NotJwts, Rule::NotJwts),
            (Rule::Every, Rule::NotJwts),
            (Rule::Every, prefixes(["sk_"])),
        ];
        for (one, other) in overlapping {
            assert!(one.check_beside(&other).is_err(), "{one:?} {other:?}");
            assert!(other.check_beside(&one).is_err(), "{one:?} {other:?}");
        }
        for (one, other) in
            [(prefixes(["sk_live_"]), prefixes(["sk_test_"])), (prefixes(["sk_"]), Rule::NotJwts)]
        {
            assert!(one.check_beside(&other).is_ok() && other.check_beside(&one).is_ok());
        }
        assert!(prefixes(["a_", "a_b"]).check().is_err());
    }

    #[test]
    fn what_begins_like_a_jwt_is_seen() {
        for json in ["{\"alg\"", "{ \"alg\"", "{\n", "{}", "{\u{7f}"] {
            let begin = crate::jose::encode(json);
            for length in 1..=2 {
                let prefix = begin.get(..length).unwrap();
                assert!(prefixes([prefix]).check_beside_jwts().is_err(), "{prefix}");
            }
        }
        for good in ["sk_live_", "eXy", "ory_at_", "E", "f"] {
            assert!(prefixes([good]).check_beside_jwts().is_ok(), "{good}");
        }
        assert!(Rule::Every.check_beside_jwts().is_err());
    }

    #[test]
    fn a_prefix_is_what_a_token_may_begin_with() {
        for bad in ["", " ", "a b", "a=", "ä", "\n"] {
            assert!(prefixes([bad]).check().is_err(), "{bad:?}");
        }
        assert!(prefixes([&*"a".repeat(65)]).check().is_err());
        assert!(prefixes([&*"a".repeat(64)]).check().is_ok());
    }
}
