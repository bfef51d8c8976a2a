//! What the presets of providers demand of claims that have no rule of their own.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::issuer_rule::tenant_of;
use super::permissions::Pointer;
use super::principal::Principal;
use crate::error::{AuthError, ConfigError, Reason};
use crate::runtime::UnixTime;

/// What must be found at a place of the payload.
#[derive(Clone, Debug)]
pub(crate) enum ClaimRule {
    /// A string, one of these.
    OneOf(Vec<String>),
    /// Nothing, or a string, one of these.
    NoneOrOneOf(Vec<String>),
    /// A string that begins with this and goes on.
    BeginsWith(String),
    /// A string that is not empty and of so many bytes at most.
    Text { bytes: usize },
    /// A time that is not in the future.
    Past,
    /// The tenant's GUID in `iss`, which was made of this template.
    TenantOf(&'static str),
    /// Nothing, or one of these JSON texts.
    NothingBut(&'static [&'static str]),
}

/// Places and what must be found there; and sets of claims of which one must be there.
#[derive(Debug, Default)]
pub(super) struct ClaimRules {
    at: Vec<(Pointer, ClaimRule)>,
    any_of: Vec<&'static [&'static str]>,
}

impl ClaimRules {
    /// # Errors
    /// If a place is no JSON pointer.
    pub(super) fn new(
        at: Vec<(&'static str, ClaimRule)>,
        any_of: Vec<&'static [&'static str]>,
    ) -> Result<Self, ConfigError> {
        let at = at.into_iter().map(|(place, demand)| Ok((Pointer::new(place)?, demand)));
        Ok(Self { at: at.collect::<Result<_, ConfigError>>()?, any_of })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at.is_empty() && self.any_of.is_empty()
    }

    /// Judges a payload whose signature was found good.
    pub(super) fn judge(&self, principal: &Principal) -> Result<(), AuthError> {
        let refuse = |reason, claim: &str| Err(AuthError::new(reason).with_claim(claim.to_owned()));
        for names in &self.any_of {
            let mut there = names.iter().map(|name| principal.claim::<Box<RawValue>>(name));
            if !there.any(|value| value.is_some_and(|value| value.get() != "null")) {
                return refuse(Reason::MissingClaim, names.first().copied().unwrap_or_default());
            }
        }
        for (place, demand) in &self.at {
            let Ok(found) = place.find(principal.payload()) else {
                return refuse(Reason::InvalidClaim, place.claim());
            };
            let found = found.filter(|value| *value != "null");
            match found {
                Some(value) if demand.is_met_by(value, principal) => {}
                None if matches!(demand, ClaimRule::NothingBut(_) | ClaimRule::NoneOrOneOf(_)) => {}
                Some(_) => return refuse(Reason::InvalidClaim, place.claim()),
                None => return refuse(Reason::MissingClaim, place.claim()),
            }
        }
        Ok(())
    }
}

impl ClaimRule {
    pub(crate) fn is(value: impl Into<String>) -> Self {
        Self::OneOf(vec![value.into()])
    }

    /// `value` is JSON.
    fn is_met_by(&self, value: &str, principal: &Principal) -> bool {
        match self {
            Self::OneOf(texts) | Self::NoneOrOneOf(texts) => {
                text(value).is_some_and(|found| texts.iter().any(|text| *text == found))
            }
            Self::BeginsWith(start) => text(value)
                .is_some_and(|found| found.len() > start.len() && found.starts_with(start.as_str())),
            Self::TenantOf(template) => {
                let tenant = principal.issuer().and_then(|issuer| tenant_of(issuer, template));
                tenant.is_some() && text(value).as_deref() == tenant
            }
            Self::Text { bytes } => text(value).is_some_and(|found| (1..=*bytes).contains(&found.len())),
            Self::Past => serde_json::from_str(value).is_ok_and(|time: UnixTime| principal.is_past(time)),
            Self::NothingBut(texts) => texts.contains(&value),
        }
    }
}

fn text(json: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

    serde_json::from_str(json).ok().map(|Text(text)| text)
}
