//! The authorities that ask about their tokens, and which token is whose.

use super::opaque_origin::ReadyOpaque;
use super::ready_authority::ReadyAuthority;
use crate::error::{ConfigError, Problems};
use crate::jose::Limits;

/// The authorities that ask.
#[derive(Debug, Default)]
pub(super) struct OpaqueAuthorities(Vec<ReadyAuthority>);

/// The place of an authority among those that ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(usize);

impl OpaqueAuthorities {
    /// # Errors
    /// If a token may belong to another authority as well.
    pub(super) fn add(&mut self, authority: ReadyAuthority) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for other in &self.0 {
            if let (Some(these), Some(those)) = (&authority.opaque, &other.opaque) {
                problems.take(these.rule.check_beside(&those.rule));
            }
        }
        problems.into_result()?;
        self.0.push(authority);
        Ok(())
    }

    /// # Errors
    /// If a JWT may belong to one of them.
    pub(super) fn check_beside_jwts(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for opaque in self.0.iter().filter_map(|authority| authority.opaque.as_ref()) {
            problems.take(opaque.rule.check_beside_jwts());
        }
        problems.into_result()
    }

    /// The one that this token belongs to. What is too long belongs to none, and is refused for that.
    pub(super) fn position_of(&self, token: &[u8], limits: &Limits) -> Option<Position> {
        if token.len() > limits.token_bytes {
            return None;
        }
        let find = |takes: &dyn Fn(&ReadyOpaque) -> bool| {
            self.0.iter().position(|authority| authority.opaque.as_ref().is_some_and(takes)).map(Position)
        };
        find(&|opaque| opaque.rule.takes_by_prefix(token))
            .or_else(|| find(&|opaque| opaque.rule.takes_the_rest(token)))
    }

    pub(super) fn get(&self, position: Position) -> Option<&ReadyAuthority> {
        self.0.get(position.0)
    }

    pub(super) fn all(&self) -> &[ReadyAuthority] {
        &self.0
    }
}
