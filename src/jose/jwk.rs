//! JSON Web Keys as data (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::member_names::{Name, Names};
use super::private_names::has_private_name;
use crate::jose::{Algorithm, Family, decode_vec};

/// Longest `kid` that is taken from a key set, in bytes; the same as a token may have at most.
const MAX_KID_BYTES: usize = 2048;

/// A verification key as its JSON says it; strength is judged elsewhere.
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    pub(crate) alg: Option<Algorithm>,
    /// Not registered: Microsoft's keys say for which issuer they are.
    pub(crate) issuer: Option<String>,
    pub(crate) params: Params,
}

/// The members that make the key.
pub(crate) enum Params {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { family: Family, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Oct { k: Vec<u8> },
}

impl Params {
    const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { family, .. } => *family,
            Self::Ed25519 { .. } => Family::Ed25519,
            Self::Oct { .. } => Family::Hmac,
        }
    }
}

/// Why a key is not usable. Never shows a member's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwkError {
    pub(crate) kid: Option<String>,
    pub(crate) why: String,
}

/// Reads one key that is to verify signatures.
///
/// # Errors
/// If it is not a strict JSON object, not a key for signatures, or of a kind that is not supported.
pub(crate) fn read_jwk(json: &str) -> Result<Jwk, JwkError> {
    if has_private_name(json.as_bytes()) {
        return Err(JwkError {
            kid: None,
            why: "it has a member name that serde_json keeps for itself".to_owned(),
        });
    }
    let members: Members<'_> = serde_json::from_str(json).map_err(|error| JwkError {
        kid: None,
        // The position says enough; serde's own text could repeat a part of a secret.
        why: format!("not a JSON object of this form (line {}, column {})", error.line(), error.column()),
    })?;
    let kid = members.kid.as_deref().map(str::to_owned);
    let refused = |why: String| JwkError { kid: kid.clone(), why };
    members.check_purpose().map_err(&refused)?;
    let params = members.params().map_err(&refused)?;
    let alg = match members.alg.as_deref() {
        None => None,
        Some(name) => match Algorithm::from_name(name) {
            Some(alg) if alg.family() == params.family() => Some(alg),
            Some(alg) => return Err(refused(format!("its `alg` {alg} does not fit its `kty` and `crv`"))),
            None => return Err(refused("its `alg` is not a supported signature algorithm".to_owned())),
        },
    };
    if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
        return Err(refused("its `kid` is longer than 2,048 bytes".to_owned()));
    }
    Ok(Jwk { kid, alg, issuer: members.issuer.map(Cow::into_owned), params })
}

/// Reads a JWK set: what cannot be read of a single key does not spoil the others (RFC 7517 section 5).
///
/// # Errors
/// If it is not a JSON object with an array `keys`.
pub(crate) fn read_jwk_set(json: &str) -> Result<Vec<Result<Jwk, JwkError>>, String> {
    #[derive(Deserialize)]
    struct Set<'j> {
        #[serde(borrow)]
        keys: Vec<&'j RawValue>,
    }

    let set: Set<'_> = serde_json::from_str(json).map_err(|error| {
        format!("not a JSON object with an array `keys` (line {}, column {})", error.line(), error.column())
    })?;
    Ok(set.keys.into_iter().map(|key| read_jwk(key.get())).collect())
}

/// The members of a JWK that are looked at.
#[derive(Default)]
struct Members<'j> {
    kty: Option<Cow<'j, str>>,
    kid: Option<Cow<'j, str>>,
    alg: Option<Cow<'j, str>>,
    purpose: Option<Cow<'j, str>>,
    key_ops: Option<Vec<String>>,
    issuer: Option<Cow<'j, str>>,
    crv: Option<Cow<'j, str>>,
    n: Option<Cow<'j, str>>,
    e: Option<Cow<'j, str>>,
    x: Option<Cow<'j, str>>,
    y: Option<Cow<'j, str>>,
    k: Option<Cow<'j, str>>,
    private: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Web Key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut names = Names::at_most(usize::MAX);
                let mut members = Members::default();
                while let Some(name) = map.next_key_seed(Name)? {
                    if !names.insert(&name) {
                        return Err(de::Error::custom("duplicate member"));
                    }
                    let text = match name.as_ref() {
                        "kty" => &mut members.kty,
                        "kid" => &mut members.kid,
                        "alg" => &mut members.alg,
                        "use" => &mut members.purpose,
                        "crv" => &mut members.crv,
                        "n" => &mut members.n,
                        "e" => &mut members.e,
                        "x" => &mut members.x,
                        "y" => &mut members.y,
                        "k" => &mut members.k,
                        "key_ops" => {
                            members.key_ops = map.next_value()?;
                            continue;
                        }
                        "issuer" => {
                            // Whatever else somebody means by it is no reason to leave a key out.
                            let value: &RawValue = map.next_value()?;
                            members.issuer = serde_json::from_str::<String>(value.get()).ok().map(Cow::Owned);
                            continue;
                        }
                        "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "priv" => {
                            members.private |= map.next_value::<Option<IgnoredAny>>()?.is_some();
                            continue;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *text = map.next_value_seed(NameOrNull)?;
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Reads a string. Null counts as absent: serializers write it for what a key does not have.
struct NameOrNull;

impl<'de> DeserializeSeed<'de> for NameOrNull {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for NameOrNull {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Name.deserialize(deserializer).map(Some)
    }
}

impl Members<'_> {
    /// RFC 7517 sections 4.2 and 4.3.
    fn check_purpose(&self) -> Result<(), String> {
        let asymmetric = self.kty.as_deref() != Some("oct");
        if self.private || (asymmetric && self.k.is_some()) {
            return Err("it has private members; publish and configure only the public key".to_owned());
        }
        // `jwt-svid` is what a SPIFFE bundle calls the keys for signatures of its tokens.
        if self.purpose.as_deref().is_some_and(|purpose| !matches!(purpose, "sig" | "jwt-svid")) {
            return Err("its `use` is not `sig`".to_owned());
        }
        if let Some(operations) = &self.key_ops {
            if !operations.iter().any(|operation| operation == "verify") {
                return Err("its `key_ops` do not have `verify`".to_owned());
            }
            // `use` is `sig` here if it is there at all, and must agree with all operations.
            let signs = |operation: &String| operation == "verify" || operation == "sign";
            if self.purpose.is_some() && !operations.iter().all(signs) {
                return Err("its `use` and its `key_ops` disagree".to_owned());
            }
        }
        Ok(())
    }

    fn params(&self) -> Result<Params, String> {
        let curve = || self.crv.as_deref().ok_or_else(|| "it has no `crv`".to_owned());
        match self.kty.as_deref() {
            Some("RSA") => Ok(Params::Rsa { n: public_bytes("n", &self.n)?, e: public_bytes("e", &self.e)? }),
            Some("EC") => {
                let (family, length) = match curve()? {
                    "P-256" => (Family::P256, 32),
                    "P-384" => (Family::P384, 48),
                    "P-521" => (Family::P521, 66),
                    _ => return Err("its `crv` is not supported".to_owned()),
                };
                let coordinate = |name, value| number_of(length, &public_bytes(name, value)?);
                Ok(Params::Ec { family, x: coordinate("x", &self.x)?, y: coordinate("y", &self.y)? })
            }
            Some("OKP") => match curve()? {
                "Ed25519" => Ok(Params::Ed25519 { x: public_bytes("x", &self.x)? }),
                _ => Err("its `crv` is not supported".to_owned()),
            },
            Some("oct") => Ok(Params::Oct { k: bytes("k", &self.k)? }),
            Some(_) => Err("its `kty` is not supported".to_owned()),
            None => Err("it has no `kty`".to_owned()),
        }
    }
}

fn bytes(name: &str, value: &Option<Cow<'_, str>>) -> Result<Vec<u8>, String> {
    let text = value.as_deref().ok_or_else(|| format!("it has no `{name}`"))?;
    // Padding is against RFC 7515 section 2, but nobody signs the text of a key, so it means nothing else.
    let unpadded = match text.strip_suffix("==").or_else(|| text.strip_suffix('=')) {
        Some(unpadded) if text.len() % 4 == 0 => unpadded,
        _ => text,
    };
    decode_vec(unpadded).ok_or_else(|| format!("its `{name}` is not base64url"))
}

/// As [`bytes`], in the standard alphabet too: only the number counts, and a key that is read wrongly verifies nothing.
fn public_bytes(name: &str, value: &Option<Cow<'_, str>>) -> Result<Vec<u8>, String> {
    match value.as_deref().filter(|text| text.contains(['+', '/'])) {
        Some(text) => bytes(name, &Some(text.replace('+', "-").replace('/', "_").into())),
        None => bytes(name, value),
    }
}

/// Zeros in front that may be missing: a random number has fewer. What is much shorter is of another curve.
const MISSING_ZEROS: usize = 4;

/// A number in so many bytes. RFC 7518 section 6.2.1.2 wants the zeros in front written; some providers leave them out, or write one
/// more.
fn number_of(length: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let missing = length.checked_sub(digits.len()).filter(|missing| zeros + MISSING_ZEROS >= *missing);
    let missing = missing.ok_or_else(|| format!("its coordinates are not of {length} bytes each"))?;
    Ok([&vec![0; missing], digits].concat())
}
