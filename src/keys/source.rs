//! Where key sets come from.

use std::fmt;

use super::KeySet;
use crate::runtime::NowOrLater;

/// Counts the sets that a source has had; a verifier prepares its keys anew when it moves.
pub(crate) type Generation = u64;

/// Keys that may change while the service runs.
///
/// Reads are snapshots: they take no lock and wait for nothing. Only [`KeySource::refresh`] may wait.
pub(crate) trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// The generation of the current set.
    fn generation(&self) -> Generation;

    /// The current set with its generation.
    fn current(&self) -> (Generation, KeySet);

    /// Asked when a token names a key that the set of generation `seen` does not have: `kid`, which is only told to a source
    /// that [`asks by it`](Self::asks_by_kid). Answers whether there is another set now.
    ///
    /// # Errors
    /// If there are no keys at all and none can be had.
    fn refresh(&self, seen: Generation, kid: Option<&str>) -> NowOrLater<Result<bool, Unavailable>>;

    /// Whether keys are fetched one by one, each when a token first names it, so that there may be none before.
    fn asks_by_kid(&self) -> bool {
        false
    }

    /// Whether to ask for another set than that of generation `seen` is known to bring nothing just now: it was asked
    /// before, and the next attempt is too far away to be waited for. This is cheap, and [`Self::refresh`] is not.
    fn is_quiet(&self, _seen: Generation) -> bool {
        false
    }

    /// Waits for a first set, if there is none yet.
    ///
    /// # Errors
    /// If there are no keys at all and none can be had.
    #[cfg(feature = "jwks")]
    fn warm(&self) -> NowOrLater<Result<(), Unavailable>> {
        NowOrLater::ready(Ok(()))
    }

    /// Whether keys come over the network, so that there may be none yet, and others later.
    fn is_remote(&self) -> bool {
        false
    }

    /// Whether the set of this generation is what an earlier process had fetched: the provider may have newer keys, and
    /// has not been asked for them.
    fn is_restored(&self, _: Generation) -> bool {
        false
    }

    /// How a remote source is doing.
    #[cfg(feature = "jwks")]
    fn health(&self) -> Option<super::KeyHealth> {
        None
    }
}

/// There is no key set to verify with just now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unavailable;

/// A set that never changes.
#[derive(Debug)]
pub(crate) struct Static(pub(crate) KeySet);

impl KeySource for Static {
    fn generation(&self) -> Generation {
        0
    }

    fn current(&self) -> (Generation, KeySet) {
        (0, self.0.clone())
    }

    fn refresh(&self, _: Generation, _: Option<&str>) -> NowOrLater<Result<bool, Unavailable>> {
        NowOrLater::ready(Ok(false))
    }
}

/// A set that somebody in this process replaces: how a verifier follows an issuer beside it.
#[cfg(feature = "issuer")]
#[derive(Debug)]
pub(crate) struct Published(arc_swap::ArcSwap<(Generation, KeySet)>);

#[cfg(feature = "issuer")]
impl Published {
    pub(crate) fn new(keys: KeySet) -> Self {
        Self(arc_swap::ArcSwap::from_pointee((0, keys)))
    }

    /// Replaces the set as a unit.
    pub(crate) fn replace(&self, keys: &KeySet) {
        self.0.rcu(|current| (current.0 + 1, keys.clone()));
    }

    /// Replaces the set if other keys are in it.
    pub(crate) fn replace_if_new(&self, keys: &KeySet) {
        let kids = |set: &KeySet| set.iter().map(|key| key.kid().map(str::to_owned)).collect::<Vec<_>>();
        if kids(&self.0.load().1) != kids(keys) {
            self.replace(keys);
        }
    }
}

#[cfg(feature = "issuer")]
impl KeySource for Published {
    fn generation(&self) -> Generation {
        self.0.load().0
    }

    fn current(&self) -> (Generation, KeySet) {
        (**self.0.load()).clone()
    }

    fn refresh(&self, seen: Generation, _: Option<&str>) -> NowOrLater<Result<bool, Unavailable>> {
        NowOrLater::ready(Ok(self.generation() != seen))
    }
}
