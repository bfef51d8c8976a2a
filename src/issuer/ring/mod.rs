//! Signing keys that take turns.

mod builder;
mod document;
mod key_ring;
mod state;

pub use self::builder::KeyRingBuilder;
pub use self::key_ring::{KeyRing, KeyStatus};
pub use self::state::KeyState;
pub(super) use self::state::MAX_TOKEN_LIFETIME;
pub(crate) use self::state::PUBLISHED_MAX_AGE;
