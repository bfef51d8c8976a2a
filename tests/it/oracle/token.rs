//! Tokens: a good one, changed in a few places.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use proptest::prelude::*;
use proptest::sample::select;

use super::{AUDIENCE, ISSUER, Signer};

/// What is asked of both sides.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) signer: Signer,
    pub(super) careful: bool,
    pub(super) edits: Vec<Edit>,
}

/// JSON text, or a date that is only known when the token is made.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Json(String),
    /// Tenths of a second from now.
    FromNow(i64),
}

/// A change of the good token.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Sets a member of the header; `None` takes it away.
    Header(&'static str, Option<String>),
    /// Adds a member to the header, be it there or not.
    FurtherHeader(&'static str, String),
    Claim(&'static str, Option<Text>),
    FurtherClaim(&'static str, Text),
    /// Replaces the payload.
    Payload(String),
    /// Changes the token after it was signed.
    Wire(Wire),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    /// One bit of a decoded segment.
    FlipBit {
        segment: usize,
        position: prop::sample::Index,
        bit: u32,
    },
    /// The lowest bit of a segment's last character, which may be one that stands for nothing.
    LastCharacter(usize),
    Append(usize, &'static str),
    Empty(usize),
    Cut(usize),
    NewSegment(usize, &'static str),
    NoSegment(usize),
    Around(&'static str, &'static str),
}

impl Edit {
    pub(super) fn header(name: &'static str, json: impl Into<String>) -> Self {
        Self::Header(name, Some(json.into()))
    }

    pub(super) fn claim(name: &'static str, json: impl Into<String>) -> Self {
        Self::Claim(name, Some(Text::Json(json.into())))
    }
}

impl Case {
    pub(super) fn new<const N: usize>(signer: Signer, edits: [Edit; N]) -> Self {
        Self { signer, careful: true, edits: edits.into() }
    }

    /// The same asked of somebody who only set issuer and audience.
    pub(super) fn not_careful(mut self) -> Self {
        self.careful = false;
        self
    }

    pub(super) fn render(&self, now: u64) -> String {
        let text = |text: &Text| match text {
            Text::Json(json) => json.clone(),
            Text::FromNow(tenths) => {
                let tenths = now as i64 * 10 + tenths;
                if tenths % 10 == 0 {
                    format!("{}", tenths / 10)
                } else {
                    format!("{}.{}", tenths / 10, tenths % 10)
                }
            }
        };
        let quoted = |text: &str| format!("\"{text}\"");
        let mut header = vec![("alg", format!("\"{:?}\"", self.signer.algorithm())), ("typ", quoted("JWT"))];
        if let Some(kid) = self.signer.kid() {
            header.push(("kid", quoted(kid)));
        }
        let mut claims = vec![
            ("iss", quoted(ISSUER)),
            ("aud", quoted(AUDIENCE)),
            ("sub", quoted("bob")),
            ("exp", text(&Text::FromNow(6000))),
        ];
        let mut payload = None;
        for edit in &self.edits {
            match edit {
                Edit::Header(name, json) => set(&mut header, name, json.clone()),
                Edit::FurtherHeader(name, json) => header.push((name, json.clone())),
                Edit::Claim(name, value) => set(&mut claims, name, value.as_ref().map(text)),
                Edit::FurtherClaim(name, value) => claims.push((name, text(value))),
                Edit::Payload(raw) => payload = Some(raw.clone()),
                Edit::Wire(_) => {}
            }
        }
        let payload = payload.unwrap_or_else(|| object(&claims));
        let mut token = self.signer.sign(&object(&header), &payload);
        for edit in &self.edits {
            if let Edit::Wire(wire) = edit {
                token = wire.apply(&token);
            }
        }
        token
    }
}

fn set(members: &mut Vec<(&'static str, String)>, name: &'static str, json: Option<String>) {
    let at = members.iter().position(|(known, _)| *known == name);
    match (at, json) {
        (Some(at), Some(json)) => members[at].1 = json,
        (Some(at), None) => drop(members.remove(at)),
        (None, Some(json)) => members.push((name, json)),
        (None, None) => {}
    }
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    format!("{{{}}}", members.join(","))
}

impl Wire {
    fn apply(self, token: &str) -> String {
        let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        let count = segments.len();
        let change = |segments: &mut Vec<String>, which: usize, change: &dyn Fn(&mut String)| {
            if let Some(segment) = segments.get_mut(which % count) {
                change(segment);
            }
        };
        match self {
            Self::FlipBit { segment, position, bit } => change(&mut segments, segment, &|text| {
                if let Ok(mut bytes) = BASE64URL.decode(&text)
                    && !bytes.is_empty()
                {
                    let at = position.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                    *text = BASE64URL.encode(bytes);
                }
            }),
            Self::LastCharacter(segment) => change(&mut segments, segment, &|text| {
                let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let last = text.pop();
                let at = alphabet.iter().position(|c| Some(char::from(*c)) == last);
                text.extend(at.map(|at| char::from(alphabet[at ^ 1])));
            }),
            Self::Append(segment, more) => change(&mut segments, segment, &|text| text.push_str(more)),
            Self::Empty(segment) => change(&mut segments, segment, &String::clear),
            Self::Cut(segment) => change(&mut segments, segment, &|text| {
                text.pop();
            }),
            Self::NewSegment(at, text) => segments.insert(at % (count + 1), text.to_owned()),
            Self::NoSegment(at) => drop(segments.remove(at % count)),
            Self::Around(before, after) => return format!("{before}{token}{after}"),
        }
        segments.join(".")
    }
}

// === The strategies ===

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let signer = prop_oneof![
        5 => Just(Signer::Secret),
        3 => (0..3_usize).prop_map(Signer::Public),
    ];
    (signer, any::<bool>(), prop::collection::vec(edit(), 0..4)).prop_map(|(signer, careful, edits)| Case {
        signer,
        careful,
        edits,
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => header_member().prop_map(|(name, json)| Edit::Header(name, json)),
        1 => header_member().prop_map(|(name, json)| Edit::FurtherHeader(name, json.unwrap_or("1".into()))),
        8 => claim().prop_map(|(name, value)| Edit::Claim(name, value)),
        1 => claim().prop_map(|(name, value)| Edit::FurtherClaim(name, value.unwrap_or(Text::Json("1".into())))),
        1 => payload().prop_map(Edit::Payload),
        2 => wire().prop_map(Edit::Wire),
    ]
}

fn header_member() -> impl Strategy<Value = (&'static str, Option<String>)> {
    let of = |name: &'static str, values: &'static [&'static str]| {
        select(values).prop_map(move |json| (name, (!json.is_empty()).then(|| json.to_owned())))
    };
    prop_oneof![
        // An empty text takes the member away. The name Ed25519 has a test of its own.
        of(
            "alg",
            &[
                "",
                "\"HS256\"",
                "\"HS384\"",
                "\"RS256\"",
                "\"PS256\"",
                "\"ES256\"",
                "\"ES384\"",
                "\"ES512\"",
                "\"EdDSA\"",
                "\"none\"",
                "\"None\"",
                "\"hs256\"",
                "null",
                "7",
                "[\"HS256\"]"
            ]
        ),
        of(
            "typ",
            &[
                "",
                "\"JWT\"",
                "\"jwt\"",
                "\"at+jwt\"",
                "\"application/AT+JWT\"",
                "\"secevent+jwt\"",
                "\"\"",
                "null",
                "7"
            ]
        ),
        of("kid", &["", "\"\"", "\"other\"", "\"..\\/..\"", "null", "7"]),
        (250..263_usize).prop_map(|length| ("kid", Some(format!("\"{}\"", "k".repeat(length))))),
        of("cty", &["\"JWT\"", "\"application/jwt\"", "\"json\"", "\"\"", "null", "7"]),
        of("crit", &["[]", "[\"exp\"]", "[\"b64\"]", "null", "7"]),
        of("b64", &["true", "false", "null"]),
        of("enc", &["\"A128GCM\"", "\"x\"", "null"]),
        of("zip", &["\"DEF\"", "\"x\"", "null"]),
        of("p2c", &["1", "null"]),
        of("epk", &["{}"]),
        // Members that could bring a key are read by nobody.
        of("jku", &["\"https://evil.example\"", "null"]),
        of("jwk", &["{\"kty\":\"oct\",\"k\":\"AAAA\"}", "null"]),
        of("x5c", &["[\"AAAA\"]", "null"]),
        of("x", &["{\"a\":[1]}", "{\"a\":1,\"a\":2}", "1e5", "[", "\"\\u00e9\""]),
        of("\\u0061lg", &["\"HS256\"", "\"none\""]),
        (1900..2200_usize).prop_map(|length| ("x", Some(format!("\"{}\"", "x".repeat(length))))),
    ]
}

fn claim() -> impl Strategy<Value = (&'static str, Option<Text>)> {
    let of = |name: &'static str, values: &'static [&'static str]| {
        let text = |json: &str| (!json.is_empty()).then(|| Text::Json(json.to_owned()));
        select(values).prop_map(move |json| (name, text(json)))
    };
    let date = |name: &'static str| {
        prop_oneof![
            2 => of(name, &["", "null", "0", "-1", "-0.5", "true", "\"4102444800\"", "{}", "[]", "[4102444800]",
                "4102444800", "4.1024448e9", "253402300799", "253402300800", "1e15", "1e300", "1e400",
                "18446744073709551615", "18446744073709551616", "01"]),
            // Around the edges of the leeway, with fractions.
            2 => (-1..=1_i64, -12..=12_i64).prop_map(move |(edge, tenths)| {
                (name, Some(Text::FromNow(edge * 300 + tenths)))
            }),
        ]
    };
    prop_oneof![
        of(
            "iss",
            &[
                "",
                "\"https:\\/\\/id.example.com\"",
                "\"https://id.example.com/\"",
                "\"https://id.example.co\"",
                "\"\"",
                "null",
                "7",
                "true",
                "{}",
                "[]",
                "[\"https://id.example.com\"]",
                "[\"x\",\"https://id.example.com\"]",
                "[\"x\"]",
                "[7]"
            ]
        ),
        of(
            "aud",
            &[
                "",
                "\"api\"",
                "\"a\\u0070i\"",
                "\"ap\"",
                "\"apis\"",
                "\"\"",
                "null",
                "7",
                "{}",
                "[]",
                "[\"api\"]",
                "[\"web\",\"api\"]",
                "[\"web\"]",
                "[\"api\",\"api\"]",
                "[\"api\",1]",
                "[null,\"api\"]",
                "[[\"api\"]]"
            ]
        ),
        (31..35_usize)
            .prop_map(|more| ("aud", Some(Text::Json(format!("[{}\"api\"]", "\"web\",".repeat(more)))))),
        date("exp"),
        date("nbf"),
        date("iat"),
        of("sub", &["", "\"\"", "\"bob\"", "null", "7", "1.5", "true", "{}", "[]", "[\"bob\"]"]),
        of("jti", &["\"1\"", "null", "7", "{}", "[]"]),
        of("at_hash", &["\"x\"", "null"]),
        of("c_hash", &["\"x\""]),
        of("events", &["{}", "null"]),
        of("token_use", &["\"access\"", "\"id\"", "null", "7"]),
        of("typ", &["\"Bearer\"", "\"ID\"", "\"refresh\"", "\"Offline\"", "null", "7"]),
        of("cnf", &["{\"jkt\":\"x\"}", "null"]),
        of("scope", &["\"a b\"", "7"]),
        of("\\u0065xp", &["1", "4102444800"]),
        of("other", &["{\"exp\":1,\"exp\":2}", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "[1,2,", "1e999", "-0"]),
        (28..40_usize).prop_map(|depth| {
            ("other", Some(Text::Json(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))))
        }),
        (10_000..16_000_usize)
            .prop_map(|length| ("other", Some(Text::Json(format!("\"{}\"", "x".repeat(length)))))),
    ]
}

fn payload() -> impl Strategy<Value = String> {
    select(vec![
        "[4102444800,0,\"bob\",\"https://id.example.com\",\"api\"]",
        "[4102444800,0,\"bob\",\"other\",\"api\"]",
        "[]",
        "{}",
        "null",
        "7",
        "\"x\"",
        "",
        " ",
        "{\"iss\":\"https://id.example.com\",\"aud\":\"api\",\"exp\":4102444800}",
        " \r\n{ \"iss\" : \"https://id.example.com\" , \"aud\":\"api\",\"exp\" :\t4102444800 } \n",
        "{\"iss\":\"https://id.example.com\",\"aud\":\"api\",\"exp\":4102444800,}",
        "{\"iss\":\"https://id.example.com\",\"aud\":\"api\",\"exp\":4102444800}{}",
        "\u{feff}{\"iss\":\"https://id.example.com\",\"aud\":\"api\",\"exp\":4102444800}",
    ])
    .prop_map(str::to_owned)
}

fn wire() -> impl Strategy<Value = Wire> {
    let segment = 0..3_usize;
    prop_oneof![
        4 => (segment.clone(), any::<prop::sample::Index>(), 0..8_u32)
            .prop_map(|(segment, position, bit)| Wire::FlipBit { segment, position, bit }),
        2 => segment.clone().prop_map(Wire::LastCharacter),
        2 => (segment.clone(), select(vec!["=", "==", "A", "AA", "AAAA", "\n", " ", "+", "%3D", "\u{e9}"]))
            .prop_map(|(segment, more)| Wire::Append(segment, more)),
        1 => segment.clone().prop_map(Wire::Empty),
        1 => segment.clone().prop_map(Wire::Cut),
        1 => (0..4_usize, select(vec!["", "e30", "AAAA"])).prop_map(|(at, text)| Wire::NewSegment(at, text)),
        1 => segment.prop_map(Wire::NoSegment),
        1 => select(vec![(" ", ""), ("", " "), ("", "\n"), ("Bearer ", ""), ("\"", "\""), ("", ".")])
            .prop_map(|(before, after)| Wire::Around(before, after)),
    ]
}
