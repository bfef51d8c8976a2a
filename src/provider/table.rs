//! What is fixed for each provider, as data.

use crate::jose::Algorithm::{self, ES256, ES384, PS256, PS384, PS512, RS256, RS384, RS512};
use crate::keys::RemoteKeys;
use crate::verify::{Authority, ClaimRule};

/// The part of a preset that no argument changes.
pub(super) struct Preset {
    /// Empty: each key verifies the algorithm that it names.
    algorithms: &'static [Algorithm],
    kind: Kind,
    /// Claims that must be there.
    require: &'static [&'static str],
    /// Claims of which one must be there.
    require_any: &'static [&'static str],
    /// Places at which nothing may stand, or one of these JSON texts.
    nothing_but: &'static [(&'static str, &'static [&'static str])],
    /// Empty: no usual place.
    roles_at: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Access,
    Rfc9068,
    Id,
    /// Access tokens that have no `aud`.
    AccessWithoutAudience,
}

const PLAIN: Preset = Preset {
    algorithms: &[],
    kind: Kind::Access,
    require: &[],
    require_any: &[],
    nothing_but: &[],
    roles_at: "",
};

/// Access tokens name their client, ID tokens do not; in `client_id` with the profile of RFC 9068.
pub(super) const AUTH0: Preset = Preset {
    algorithms: &[RS256, PS256],
    require_any: &["azp", "client_id"],
    roles_at: "/permissions",
    ..PLAIN
};

/// An application without roles gets a token for every API of its tenant: one of `scp` and `roles` must be there.
pub(super) const ENTRA: Preset = Preset {
    algorithms: &[RS256],
    require: &["azp"],
    require_any: &["scp", "roles"],
    roles_at: "/roles",
    ..PLAIN
};

pub(super) const ENTRA_V1: Preset = Preset { require: &["appid"], ..ENTRA };

pub(super) const KEYCLOAK: Preset = Preset { require: &["azp"], ..PLAIN };

pub(super) const OKTA: Preset =
    Preset { algorithms: &[RS256], require: &["cid"], roles_at: "/groups", ..PLAIN };

pub(super) const COGNITO: Preset = Preset {
    algorithms: &[RS256],
    kind: Kind::AccessWithoutAudience,
    require: &["token_use"],
    roles_at: "/cognito:groups",
    ..PLAIN
};

pub(super) const GOOGLE: Preset = Preset { algorithms: &[RS256], kind: Kind::Id, ..PLAIN };

pub(super) const FIREBASE: Preset =
    Preset { algorithms: &[RS256], kind: Kind::Id, require: &["firebase"], ..PLAIN };

/// The users of no tenant.
pub(super) const FIREBASE_PROJECT: Preset = Preset { nothing_but: &[("/firebase/tenant", &[])], ..FIREBASE };

pub(super) const SUPABASE: Preset = Preset {
    algorithms: &[ES256, RS256],
    require: &["session_id"],
    nothing_but: &[("/is_anonymous", &["false"])],
    roles_at: "/app_metadata/roles",
    ..PLAIN
};

/// Tokens of JWT templates, signed with the same key, are of no session. One that is pending is not logged in.
pub(super) const CLERK: Preset = Preset {
    algorithms: &[RS256],
    kind: Kind::AccessWithoutAudience,
    require: &["sid"],
    nothing_but: &[("/sts", &["\"active\""])],
    roles_at: "/o/rol",
    ..PLAIN
};

/// ID tokens name the project as audience too, and have no `jti`.
pub(super) const ZITADEL: Preset = Preset { require: &["jti"], ..PLAIN };

pub(super) const ORY: Preset = Preset { require: &["client_id", "jti"], roles_at: "/ext/roles", ..PLAIN };

pub(super) const AD_FS: Preset = Preset { algorithms: &[RS256], require: &["appid", "apptype"], ..PLAIN };

/// ID tokens have neither `azp` nor `scp`.
pub(super) const AZURE_AD_B2C: Preset = ENTRA;

/// ID tokens have neither.
pub(super) const AUTHENTIK: Preset = Preset { require: &["azp", "uid"], roles_at: "/groups", ..PLAIN };

pub(super) const AUTHELIA: Preset = Preset { kind: Kind::Rfc9068, ..PLAIN };

pub(super) const DEX: Preset = Preset { kind: Kind::Id, roles_at: "/groups", ..PLAIN };

pub(super) const AZURE_APP_SERVICE: Preset = Preset { algorithms: &[RS256], kind: Kind::Id, ..PLAIN };

pub(super) const GITHUB_ACTIONS: Preset =
    Preset { algorithms: &[RS256], require: &["repository_id"], ..PLAIN };

pub(super) const GITLAB_CI: Preset =
    Preset { algorithms: &[RS256], require: &["project_id", "job_id"], ..PLAIN };

pub(super) const KUBERNETES: Preset = PLAIN;

/// The list of the JWT-SVID specification, section 2.1, but for ES512, which not every backend has.
pub(super) const SPIFFE: Preset =
    Preset { algorithms: &[RS256, RS384, RS512, ES256, ES384, PS256, PS384, PS512], ..PLAIN };

pub(super) const GOOGLE_IAP: Preset = Preset { algorithms: &[ES256], require: &["email"], ..PLAIN };

pub(super) const CLOUDFLARE_ACCESS: Preset = Preset { algorithms: &[RS256], ..PLAIN };

impl Preset {
    /// An authority whose keys the discovery document of this issuer names.
    pub(super) fn of_issuer(&self, issuer: impl Into<RemoteKeys>) -> Authority {
        self.applied_to(Authority::oidc(issuer))
    }

    /// An authority whose JWK set is at this URL.
    pub(super) fn of_keys_at(&self, url: impl Into<RemoteKeys>) -> Authority {
        self.applied_to(Authority::jwks(url))
    }

    fn applied_to(&self, authority: Authority) -> Authority {
        let mut authority = match self.kind {
            Kind::Access => authority,
            Kind::Rfc9068 => authority.rfc9068(),
            Kind::Id => authority.id_token(),
            Kind::AccessWithoutAudience => authority.audience_may_lack(),
        };
        if !self.algorithms.is_empty() {
            authority = authority.algorithms(self.algorithms.iter().copied());
        }
        if !self.roles_at.is_empty() {
            authority = authority.roles_at(self.roles_at);
        }
        if !self.require_any.is_empty() {
            authority = authority.require_any(self.require_any);
        }
        authority = self.require.iter().fold(authority, |authority, claim| authority.required_claim(*claim));
        self.nothing_but.iter().fold(authority, |authority, (place, texts)| {
            authority.demand(place, ClaimRule::NothingBut(texts))
        })
    }
}
