//! The settings of an authority, checked, with its keys prepared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::authority::Authority;
use super::authority_keys::AuthorityKeys;
use super::checks::{Check, CheckContext};
use super::claim_rules::ClaimRules;
use super::glance::Glance;
use super::issuer_rule::{IssuerRule, TenantIssuer};
use super::opaque_origin::ReadyOpaque;
use super::permissions::{Permissions, Pointer};
use super::policy::{Policy, TokenKind};
use crate::crypto::Backend;
use crate::error::ConfigProblemKind::{Conflict, Invalid, Missing, OutOfBounds};
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::jose::{AlgorithmSet, Family, Limits, same_media_type};
#[cfg(feature = "jwks")]
use crate::keys::Fetch;
use crate::keys::PreparedSet;
use crate::runtime::Clock;

/// An authority whose settings were found good.
#[derive(Debug)]
pub(super) struct ReadyAuthority {
    /// No other one of this process has it, so what was found by this policy is not taken for what another says.
    pub(super) id: u64,
    /// Its issuer as it is configured.
    pub(super) name: Arc<str>,
    /// What tells the source of its keys from others, if they are fetched.
    source: Option<String>,
    pub(super) policy: Policy,
    pub(super) glance: Glance,
    pub(super) keys: AuthorityKeys,
    /// The secret is the first of two.
    pub(super) has_previous_secret: bool,
    pub(super) permissions: Permissions,
    pub(super) checks: Arc<[Check]>,
    /// It asks about its tokens, and has no keys.
    pub(super) opaque: Option<ReadyOpaque>,
}

/// What an authority is made with.
#[derive(Clone, Copy)]
pub(super) struct BuildContext<'a> {
    pub(super) backend: &'a Backend,
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a Arc<dyn Clock>,
    /// What fetches keys, unless the authority says otherwise.
    #[cfg(feature = "jwks")]
    pub(super) fetch: Option<&'a Arc<dyn Fetch>>,
    /// Authorities that were made before: keys that come from the same source are taken over.
    pub(super) earlier: &'a [ReadyAuthority],
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

const MAX_LEEWAY: Duration = Duration::from_secs(300);

impl Authority {
    /// Checks the settings and prepares the keys.
    pub(super) fn build(self, making: &BuildContext<'_>) -> Result<ReadyAuthority, ConfigError> {
        let BuildContext { backend, limits, earlier, .. } = *making;
        let identity = self.keys.identity();
        let earlier = earlier.iter().find(|earlier| identity.is_some() && earlier.source == identity);
        let is_opaque = self.opaque.is_some();
        let mut problems = Problems::default();
        let source = problems.take(match earlier {
            Some(earlier) => Ok(earlier.keys.shared_source()),
            #[cfg(feature = "jwks")]
            None => self.keys.into_source(making.fetch, making.clock),
            #[cfg(not(feature = "jwks"))]
            None => self.keys.into_source(),
        });
        let issuer = problems.take(issuer_rule(self.issuer, self.any_issuer, self.tenant_issuer));
        let of_issuer = issuer.as_ref().map_or_else(|| "(none)".to_owned(), IssuerRule::to_string);
        let mut fail = |kind: ConfigProblemKind, setting: &'static str, problem: String, remedy: &str| {
            let problem = format!("{problem} (authority {of_issuer})");
            problems.add(ConfigError::new(setting, problem, remedy).of_kind(kind));
        };
        let audiences = match (self.audiences.is_empty(), self.any_audience) {
            (false, false) => Some(self.audiences),
            (true, any) if any || self.audience_may_lack => None,
            (true, _) => {
                let remedy =
                    "call .audience(\"my-api\"), or .any_audience() if a token for any service will do";
                fail(Missing, "audience", "it is not set".into(), remedy);
                None
            }
            (false, true) => {
                let problem = format!("both audience({:?}) and any_audience() are set", self.audiences);
                fail(Conflict, "audience", problem, "keep one of them");
                None
            }
        };
        if audiences.iter().flatten().any(String::is_empty) {
            fail(Invalid, "audience", "it is empty".into(), "name the audience of this service");
        }
        let padded = |text: &str| text.trim() != text;
        if padded(&of_issuer) {
            fail(
                Invalid,
                "issuer",
                format!("{of_issuer:?} begins or ends with white space"),
                "trim what was read",
            );
        }
        if let Some(audience) = audiences.iter().flatten().find(|audience| padded(audience)) {
            fail(
                Invalid,
                "audience",
                format!("{audience:?} begins or ends with white space"),
                "trim what was read",
            );
        }
        if self.leeway > MAX_LEEWAY {
            let problem = format!("{:?} is too long", self.leeway);
            fail(OutOfBounds, "leeway", problem, "use at most 300 seconds; each one keeps dead tokens alive");
        }
        if self.max_age == Some(Duration::ZERO) {
            fail(
                OutOfBounds,
                "max_age",
                "it is zero".into(),
                "use the longest time that a token may be in use",
            );
        }
        if self.algorithms.is_some_and(AlgorithmSet::is_empty) {
            fail(
                Invalid,
                "algorithms",
                "the list is empty".into(),
                "name one, or do not call .algorithms(..)",
            );
        }
        let lacking = self.algorithms.and_then(|set| set.iter().find(|algorithm| !backend.has(*algorithm)));
        if let Some(algorithm) = lacking {
            let problem = format!("{backend:?} has no {algorithm}");
            fail(Invalid, "algorithms", problem, "turn on the feature aws-lc-rs, or drop the algorithm");
        }
        let secrets_alone =
            self.algorithms.is_some_and(|set| set.iter().all(|algorithm| algorithm.family() == Family::Hmac));
        if secrets_alone && source.as_ref().is_some_and(|source| source.is_remote()) {
            fail(
                Invalid,
                "algorithms",
                "only HMAC is allowed, and secrets are never taken from a URL".into(),
                "allow what the provider signs with, such as RS256, or do not call .algorithms(..)",
            );
        }
        let of_header = [
            ("typ", self.typ.is_some()),
            ("rfc9068", self.rfc9068),
            ("id_token", self.id_token),
            ("algorithms", self.algorithms.is_some()),
        ];
        if let Some((setting, _)) = of_header.iter().find(|(_, is_set)| *is_set && is_opaque) {
            fail(Conflict, setting, "an opaque token has no header".into(), "leave it out");
        }
        let kind = match (self.rfc9068, self.id_token) {
            (false, false) if is_opaque => TokenKind::Opaque,
            (false, false) if self.signed_answers => TokenKind::SignedAnswer,
            (false, false) => TokenKind::Access,
            (true, false) => TokenKind::Rfc9068,
            (false, true) => TokenKind::Id,
            (true, true) => {
                let remedy = "keep one of them; tokens of two kinds need two verifiers";
                fail(Conflict, "id_token", "both rfc9068() and id_token() are set".into(), remedy);
                TokenKind::Id
            }
        };
        #[cfg(feature = "feeds")]
        let kind = match self.of_feed {
            Some(_) if kind != TokenKind::Access => {
                let remedy = "leave them out: a feed knows its tokens";
                fail(Conflict, "id_token", "rfc9068() or id_token() is set for a feed".into(), remedy);
                kind
            }
            Some(_) if !self.demands.is_empty() || !self.any_of.is_empty() || self.header.is_some() => {
                let remedy =
                    "use Authority::oidc, or Authority::jwks, with the issuer and the audience of the feed";
                fail(Conflict, "authority", "the preset is for access tokens, not for a feed".into(), remedy);
                kind
            }
            Some(of_feed) => of_feed,
            None => kind,
        };
        let other_typ = self.typ.as_deref().is_some_and(|typ| !same_media_type(typ, "at+jwt"));
        if other_typ && kind == TokenKind::Rfc9068 {
            fail(
                Conflict,
                "typ",
                "rfc9068() is set, and a typ(..) other than at+jwt".into(),
                "keep one of them",
            );
        }
        if let Some(name) = self.required.iter().find(|name| name.is_empty()) {
            fail(
                Invalid,
                "required_claim",
                format!("{name:?} is no claim"),
                "name the claim that is demanded",
            );
        }
        let caps_roles = self.only_roles.as_ref().is_some_and(|only| !only.is_empty());
        if caps_roles && self.roles_at.is_none() {
            let remedy = "call .roles_at(\"/path/of/roles\") as well";
            fail(Missing, "only_roles", "there is no place of roles to cap".into(), remedy);
        }
        let roles_at = problems.take(self.roles_at.as_deref().map(Pointer::new).transpose()).flatten();
        let claim_rules = problems.take(ClaimRules::new(self.demands, self.any_of));
        let of_this_issuer = match &issuer {
            Some(IssuerRule::This(issuer)) => Some(Arc::clone(issuer)),
            _ => None,
        };
        let opaque = self.opaque.map(|opaque| opaque.build(limits, making.clock, of_this_issuer));
        let opaque = problems.take(opaque.transpose()).flatten();
        let prepared = source.as_ref().and_then(|source| {
            let (generation, set) = source.current();
            match set.is_empty() && (source.is_remote() || is_opaque) {
                true => Some(PreparedSet::empty(generation)), // they will be fetched
                false => problems.take(PreparedSet::new(generation, &set, self.algorithms, backend)),
            }
        });
        let context = CheckContext {
            backend,
            clock: making.clock,
            #[cfg(feature = "jwks")]
            fetch: making.fetch,
        };
        for (position, origin) in self.last_checks.iter().enumerate() {
            let setting = origin.setting();
            if self.last_checks.iter().skip(position + 1).any(|other| other.setting() == setting) {
                let error = ConfigError::new(setting, "it is set twice", "keep one of them");
                problems.add(error.of_kind(Conflict));
            }
        }
        let last_checks: Vec<_> = self
            .last_checks
            .into_iter()
            .filter_map(|origin| problems.take(origin.into_check(&context)))
            .collect();
        problems.into_result()?;
        let (Some(source), Some(issuer), Some(claim_rules), Some(prepared)) =
            (source, issuer, claim_rules, prepared)
        else {
            // Each of them that lacks has left a problem.
            return Err(ConfigError::no_backend());
        };
        let mut checks = self.checks;
        if !claim_rules.is_empty() {
            checks.insert(0, Check::sync(move |principal| claim_rules.judge(principal)));
        }
        checks.extend(last_checks);
        let policy = Policy {
            issuer,
            audiences,
            subject: self.subject,
            kind,
            typ: self.typ,
            required: self.required,
            leeway: self.leeway,
            max_age: self.max_age,
            audience_elements: limits.audience_elements,
            header: self.header,
            numeric_ids_as_text: self.numeric_ids_as_text,
            purpose: self.purpose,
            exp_unless_said: self.exp_unless_said,
        };
        Ok(ReadyAuthority {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: policy.issuer.to_string().into(),
            source: identity,
            keys: AuthorityKeys::new(source, self.algorithms, backend.clone(), prepared),
            has_previous_secret: self.has_previous_secret,
            glance: Glance::new(&policy),
            policy,
            permissions: Permissions {
                roles_at,
                only_roles: self.only_roles,
                only_scopes: self.only_scopes.map(Arc::new),
            },
            checks: checks.into(),
            opaque,
        })
    }
}

fn issuer_rule(
    issuer: Option<Arc<str>>,
    any: bool,
    of_tenants: Option<TenantIssuer>,
) -> Result<IssuerRule, ConfigError> {
    let refused = |problem: String, remedy| Err(ConfigError::new("issuer", problem, remedy));
    match (issuer, any, of_tenants) {
        (Some(issuer), false, None) if !issuer.is_empty() => Ok(IssuerRule::This(issuer)),
        (None, true, None) => Ok(IssuerRule::Any),
        (None, false, Some(tenants)) => Ok(IssuerRule::OfTenants(tenants)),
        (Some(_), false, None) => refused(
            "it is empty".to_owned(),
            "name the issuer exactly as its tokens do, such as https://id.example.com",
        ),
        (None, false, None) => Err(ConfigError::new(
            "issuer",
            "it is not set",
            "call .issuer(\"https://id.example.com\"), or .any_issuer() if every issuer will do",
        )
        .of_kind(Missing)),
        (_, _, Some(tenants)) => refused(
            format!("another one is set beside those of the tenants ({})", tenants.template()),
            "leave it out: the preset takes the issuers of the tenants that you trust",
        ),
        (Some(issuer), true, None) => {
            refused(format!("both issuer({issuer:?}) and any_issuer() are set"), "keep one of them")
        }
    }
}
