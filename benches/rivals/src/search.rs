//! A search for the refusal that costs most: tokens of up to 16 KiB are put together at random, the dearest are changed a
//! little, and so on for `MINUTES` (2 unless set). Nobody has to sign them: the signature is that of another message.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use fastrand::Rng;
use tokio::runtime::Runtime;

use crate::contenders::{Contender, Setup, headers, ours};
use crate::line;
use crate::tokens::{AUDIENCE, ISSUER, KID, Keys};

/// How a token is put together.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    header: Header,
    filler: Filler,
    /// Bytes of filler in the payload.
    length: usize,
    issuer: Spelling,
    audience: Spelling,
    expiry: Spelling,
    /// The claims stand before the filler.
    claims_first: bool,
    end: End,
    signature_fits: bool,
}

#[derive(Clone, Copy, Debug)]
enum Header {
    Usual,
    OtherKid,
    NoKid,
    ManyMembers,
    LongMember,
}

#[derive(Clone, Copy, Debug)]
enum Filler {
    ShortNames,
    EscapedNames,
    LongNames,
    Numbers,
    Floats,
    EmptyStrings,
    EmptyArrays,
    Deep,
    Escapes,
    LongString,
    Words,
    Unicode,
    Spaces,
    Objects,
    IssuersInside,
    Audiences,
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Escaped,
    Wrong,
    Absent,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Good,
    Duplicate,
    Cut,
    TooMuch,
}

impl Recipe {
    fn random(rng: &mut Rng) -> Self {
        Self {
            header: pick(
                rng,
                &[Header::Usual, Header::OtherKid, Header::NoKid, Header::ManyMembers, Header::LongMember],
            ),
            filler: pick(rng, &FILLERS),
            length: rng.usize(0..11_800),
            issuer: spelling(rng),
            audience: spelling(rng),
            expiry: spelling(rng),
            claims_first: rng.bool(),
            end: pick(rng, &[End::Good, End::Duplicate, End::Cut, End::TooMuch]),
            signature_fits: rng.u8(..) > 20,
        }
    }

    /// A few ingredients are others.
    fn mutated(mut self, rng: &mut Rng) -> Self {
        let other = Self::random(rng);
        for _ in 0..rng.usize(1..4) {
            match rng.u8(0..10) {
                0 => self.header = other.header,
                1 => self.filler = other.filler,
                2 => self.length = other.length,
                3 => self.length = (self.length + rng.usize(0..400)).saturating_sub(200).min(11_900),
                4 => self.issuer = other.issuer,
                5 => self.audience = other.audience,
                6 => self.expiry = other.expiry,
                7 => self.claims_first = other.claims_first,
                8 => self.end = other.end,
                _ => self.signature_fits = other.signature_fits,
            }
        }
        self
    }

    fn token(&self, algorithm: &str, signature: &str) -> String {
        let mut header = format!(r#"{{"alg":"{algorithm}","typ":"JWT""#);
        match self.header {
            Header::Usual => header.push_str(&format!(r#","kid":"{KID}""#)),
            Header::OtherKid => header.push_str(r#","kid":"other""#),
            Header::NoKid => {}
            Header::ManyMembers => {
                (0..60).for_each(|number| header.push_str(&format!(r#","m{number}":[]"#)));
                header.push_str(&format!(r#","kid":"{KID}""#));
            }
            Header::LongMember => {
                header.push_str(&format!(r#","kid":"{KID}","x":"{}""#, "\\u0041".repeat(300)))
            }
        }
        header.push('}');
        let spelled = |name: &str, value: &str, spelling: Spelling| match spelling {
            Spelling::Plain => Some(format!(r#""{name}":"{value}""#)),
            Spelling::Escaped => {
                let (first, rest) = value.split_at(1);
                Some(format!(r#""{name}":"\u{:04x}{rest}""#, first.as_bytes()[0]))
            }
            Spelling::Wrong => Some(format!(r#""{name}":"nobody""#)),
            Spelling::Absent => None,
        };
        let expiry = match self.expiry {
            Spelling::Plain => Some(r#""exp":4102444800"#),
            Spelling::Escaped => Some(r#""\u0065xp":4102444800"#),
            Spelling::Wrong => Some(r#""exp":1700003600"#),
            Spelling::Absent => None,
        };
        let claims: Vec<String> = [
            spelled("iss", ISSUER, self.issuer),
            spelled("aud", AUDIENCE, self.audience),
            expiry.map(str::to_owned),
        ]
        .into_iter()
        .flatten()
        .collect();
        let filler = filler(self.filler, self.length);
        let mut members =
            if self.claims_first { [claims, filler].concat() } else { [filler, claims].concat() };
        if let (End::Duplicate, Some(first)) = (self.end, members.first().cloned()) {
            members.push(first);
        }
        let mut payload = format!("{{{}}}", members.join(","));
        match self.end {
            End::Cut => drop(payload.pop()),
            End::TooMuch => payload.push('}'),
            End::Good | End::Duplicate => {}
        }
        let signature = if self.signature_fits { signature } else { "AAAA" };
        let token = format!("{}.{}.{signature}", BASE64URL.encode(header), BASE64URL.encode(&payload));
        // Longer ones are refused for their length alone.
        if token.len() > 16 * 1024 {
            Self { length: self.length - 100, ..*self }.token(algorithm, signature)
        } else {
            token
        }
    }
}

const FILLERS: [Filler; 16] = [
    Filler::ShortNames,
    Filler::EscapedNames,
    Filler::LongNames,
    Filler::Numbers,
    Filler::Floats,
    Filler::EmptyStrings,
    Filler::EmptyArrays,
    Filler::Deep,
    Filler::Escapes,
    Filler::LongString,
    Filler::Words,
    Filler::Unicode,
    Filler::Spaces,
    Filler::Objects,
    Filler::IssuersInside,
    Filler::Audiences,
];

/// Members of about so many bytes together.
fn filler(kind: Filler, length: usize) -> Vec<String> {
    let many = |element: &str| {
        let count = length / (element.len() + 1);
        format!("\"x\":[{}]", vec![element; count.max(1)].join(","))
    };
    let names = |make: &dyn Fn(usize) -> String| {
        let (mut members, mut bytes) = (Vec::new(), 0);
        while bytes < length {
            members.push(format!("{}:0", make(members.len())));
            bytes += members[members.len() - 1].len() + 1;
        }
        members
    };
    match kind {
        Filler::ShortNames => names(&|number| format!("\"{number:x}\"")),
        Filler::EscapedNames => names(&|number| format!("\"\\u0041{number:x}\"")),
        Filler::LongNames => names(&|number| format!("\"{}{number:x}\"", "n".repeat(40))),
        Filler::Numbers => vec![many("0")],
        Filler::Floats => vec![many("1.7976931348623157e300")],
        Filler::EmptyStrings => vec![many("\"\"")],
        Filler::EmptyArrays => vec![many("[]")],
        Filler::Deep => {
            vec![format!("\"x\":{}{}", "[".repeat((length / 2).min(120)), "]".repeat((length / 2).min(120)))]
        }
        Filler::Escapes => vec![format!("\"x\":\"{}\"", "\\u0041".repeat(length / 6))],
        Filler::LongString => vec![format!("\"x\":\"{}\"", "x".repeat(length))],
        Filler::Words => vec![many("\"word\"")],
        Filler::Unicode => vec![format!("\"x\":\"{}\"", "\u{e9}\u{1f600}".repeat(length / 6))],
        Filler::Spaces => vec![format!("\"x\":{}0", " ".repeat(length))],
        Filler::Objects => vec![many("{\"a\":0}")],
        Filler::IssuersInside => vec![many("{\"iss\":\"x\"}")],
        Filler::Audiences => vec![format!("\"y\":[{}]", vec!["\"a\""; (length / 4).max(1)].join(","))],
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn spelling(rng: &mut Rng) -> Spelling {
    pick(
        rng,
        &[
            Spelling::Plain,
            Spelling::Plain,
            Spelling::Plain,
            Spelling::Escaped,
            Spelling::Wrong,
            Spelling::Absent,
        ],
    )
}

pub fn worst(runtime: &Runtime, keys: &Keys) {
    let minutes: f64 = std::env::var("MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let algorithm = keys.algorithm.name();
    let good = keys.good();
    let signature = keys.sign(KID, &serde_json::json!({ "sub": "eve" }));
    let signature = signature.rsplit('.').next().unwrap();
    let setups = [
        ("one authority", Setup::default()),
        ("two authorities", Setup { others: 1, ..Setup::default() }),
        ("keys from a URL", Setup { url: true, ..Setup::default() }),
        ("with a cache", Setup { cache: Some(1000), ..Setup::default() }),
    ];
    for (name, setup) in setups {
        let mut contender = ours(runtime, keys, 1, setup);
        let mut cost = |token: &str, tries: usize| {
            let headers = [headers(Some(token))];
            let one = |contender: &mut Box<dyn Contender>| contender.send(runtime, &headers, 16);
            let (first, status) = one(&mut contender);
            assert!(status.is_client_error() || token == good, "{status}: {token}");
            (1..tries).fold(first, |least, _| least.min(one(&mut contender).0)) / 16
        };
        let accepted = cost(&good, 200);
        let (start, mut rng, mut tried) = (Instant::now(), Rng::with_seed(11), 0);
        let mut best: Vec<(Duration, Recipe)> = Vec::new();
        while start.elapsed().as_secs_f64() < minutes * 60.0 / setups.len() as f64 {
            let recipe = match best.is_empty() || rng.u8(0..4) == 0 {
                true => Recipe::random(&mut rng),
                false => best[rng.usize(..best.len())].1.mutated(&mut rng),
            };
            let token = recipe.token(&algorithm, signature);
            let mut taken = cost(&token, 3);
            tried += 1;
            if best.len() < 12 || taken > best[best.len() - 1].0 {
                // What looked dear by accident is measured again.
                taken = taken.min(cost(&token, 30));
                best.push((taken, recipe));
                best.sort_by(|one, other| other.0.cmp(&one.0));
                best.truncate(12);
            }
        }
        // All of the dearest once more: some may have become cheap, as an unknown `kid` does when nothing is fetched.
        let again = best.iter().map(|(_, recipe)| (cost(&recipe.token(&algorithm, signature), 300), *recipe));
        let (worst, recipe) = again.max_by_key(|(taken, _)| *taken).unwrap();
        let token = recipe.token(&algorithm, signature);
        let accepted = accepted.min(cost(&good, 300));
        let ratio = worst.as_secs_f64() / accepted.as_secs_f64();
        line(
            "search",
            &format!("{algorithm}, {name}"),
            &format!("{} bytes: {recipe:?}", token.len()),
            ratio,
            worst.as_nanos() as f64,
        );
        eprintln!("{name}: {tried} tried; accepted {accepted:?}, worst {worst:?}");
    }
}
