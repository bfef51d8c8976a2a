//! What an authority lets tokens of yesterday off.

/// What a token was let off, by an authority that was told to: see [`Principal::leniencies`](crate::Principal::leniencies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leniency {
    /// Its `sub` or `jti` is a number, and was read as text ([`Authority::numeric_ids_as_text`](crate::Authority)).
    NumericId,
    /// It is signed with the secret before ([`Authority::previous_secret`](crate::Authority)).
    PreviousSecret,
}

impl Leniency {
    const ALL: [Self; 2] = [Self::NumericId, Self::PreviousSecret];

    #[cfg_attr(not(feature = "tracing"), allow(dead_code))]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NumericId => "numeric_id",
            Self::PreviousSecret => "previous_secret",
        }
    }
}

/// All that one token was let off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leniencies(u8);

impl Leniencies {
    pub(super) fn add(&mut self, leniency: Leniency) {
        self.0 |= 1 << leniency as u8;
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Leniency> {
        Leniency::ALL.into_iter().filter(move |leniency| self.0 & (1 << *leniency as u8) != 0)
    }
}
