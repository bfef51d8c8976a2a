//! Compact JWS, JSON and JWK as data: no keys are used here, no clock is read, nothing is fetched.

mod algorithm;
mod base64url;
mod claims;
mod claims_deserializer;
mod compact;
mod first_member;
mod guid;
mod header;
mod issuer_difference;
mod jwk;
mod limits;
mod member_names;
mod numeric_ids;
mod payload;
mod private_names;
mod registered_claims;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{AlgorithmSet, Family};
#[cfg(feature = "issuer")]
pub(crate) use base64url::encode_into;
pub(crate) use base64url::{Scratch, begins_an_object, decode, decode_vec, encode};
pub use claims::{Audience, Claims};
pub(crate) use compact::{Compact, Padding};
pub(crate) use first_member::{FirstMember, first_member};
pub(crate) use guid::is_guid;
pub(crate) use header::{Header, same_media_type};
pub(crate) use issuer_difference::IssuerDifference;
pub(crate) use jwk::{Jwk, JwkError, Params, read_jwk, read_jwk_set};
pub(crate) use member_names::{Name, Names};

pub use limits::Limits;
pub(crate) use numeric_ids::with_numeric_ids_as_text;
pub(crate) use payload::{Unreadable, depth_is_within, read_claims, skim};
pub(crate) use private_names::has_private_name;
pub(crate) use registered_claims::{ClaimName, ClaimValue, RegisteredClaims};
