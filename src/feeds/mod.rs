//! Receivers of what others say about tokens: a provider that logs a user out, a transmitter of security events.

mod answer;
mod back_channel_logout;
mod event_effect;
mod intake;
mod security_events;
mod subject;
mod transmitter;

pub use back_channel_logout::{BackChannelLogout, BackChannelLogoutBuilder};
pub use event_effect::SecurityEvent;
pub use security_events::{SecurityEvents, SecurityEventsBuilder};
