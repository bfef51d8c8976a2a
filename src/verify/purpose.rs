//! What a token is judged for.

/// What a token is judged for: each purpose but the first leaves a rule to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To let its bearer in.
    #[default]
    Use,
    /// To tell a resource server what it says. The resource server asks for the proof of the key in `cnf`.
    #[cfg(feature = "issuer")]
    Introspection,
    /// To revoke it: also before it is valid.
    #[cfg(feature = "issuer")]
    Revocation,
}

impl Purpose {
    /// Whether a token that is bound to a key is refused, because nobody asks for the proof.
    pub(super) fn refuses_bound_tokens(self) -> bool {
        self == Self::Use
    }

    /// Whether a token is refused before its `nbf` or `iat`.
    pub(super) fn waits_for_the_start(self) -> bool {
        #[cfg(feature = "issuer")]
        return self != Self::Revocation;
        #[cfg(not(feature = "issuer"))]
        true
    }
}
