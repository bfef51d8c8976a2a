//! Secrets that are plainly not random (RFC 8725 section 3.5): patterns, and the samples that everybody knows.

use zeroize::Zeroizing;

use super::KeyError;
use crate::jose::encode;

/// Distinct bytes that a random secret has at least. Of 32 random digits, the poorest alphabet, fewer than five kinds come once in
/// 24 thousand million secrets; of hexadecimal digits or bytes, never.
const DISTINCT_BYTES: usize = 5;

/// Bytes of the shortest secret that any algorithm takes.
const SHORTEST: usize = 32;

/// Samples of tutorials, playgrounds and default settings, as text. Each is known whole and repeated; one that is hexadecimal or
/// base64 is known as the bytes that it stands for, too.
const SAMPLES: [&str; 36] = [
    // The playground jwt.io, now and before.
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    // The documentation of FastAPI, NestJS, PostgREST, Supabase and jsonwebtoken.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF THE SOURCE CODE.",
    "DO NOT USE THIS VALUE, INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF THE SOURCE CODE.",
    "reallyreallyreallyreallyverysafe",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "shhhhh",
    // Tutorials of Spring Boot, ASP.NET and Node.js.
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970337336763979244226452948404D635166546A576E5A7234753778217A25432A",
    "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    "======================BezKoder=Spring===========================",
    "bezKoderSecretKey",
    "ByYM000OLlMQG6VVVp1OH7Xzyr7gHuw1qvUC5dcGt3SNM",
    "THIS IS USED TO SIGN AND VERIFY JWT TOKENS, REPLACE IT WITH YOUR OWN SECRET, IT CAN BE ANY STRING",
    "THIS IS USED TO SIGN AND VERIFY JWT TOKENS, REPLACE IT WITH YOUR OWN SECRET",
    "this is my custom Secret key for authentication",
    "this is my custom Secret key for authnetication",
    // Words that are repeated until they are long enough.
    "secret",
    "Secret",
    "SECRET",
    "secretkey",
    "secret-key",
    "secret_key",
    "your-secret-key",
    "mysecret",
    "mysecretkey",
    "supersecret",
    "password",
    "changeme",
    "change-me",
];

/// The keys of RFC 7515 section A.1 and RFC 7520 section 3.5, which stand in the documentation of many libraries. Left out where this
/// crate tests itself with them.
#[cfg(not(test))]
const OF_STANDARDS: [&str; 2] = [
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
];
#[cfg(test)]
const OF_STANDARDS: [&str; 0] = [];

/// Refuses a secret that was plainly not made at random.
///
/// # Errors
/// If it has hardly any different bytes, repeats a pattern, counts, or is a sample. The error does not show it.
pub(super) fn check(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < SHORTEST {
        return Ok(()); // that it is too short is said elsewhere
    }
    let refused = |what: String| Err(KeyError::new(format!("it is not random: it {what}")));
    let distinct = secret.iter().collect::<std::collections::BTreeSet<_>>().len();
    if distinct < DISTINCT_BYTES {
        return refused(format!("consists of {distinct} different bytes"));
    }
    if is_known(secret) {
        return refused("is the sample of a tutorial, which everybody knows".to_owned());
    }
    if let Some(period) = (1..=secret.len() / 2).find(|period| has_period(secret, *period)) {
        return refused(format!("repeats a pattern of {period} bytes"));
    }
    if counts(secret) {
        return refused("counts from one byte to the next".to_owned());
    }
    Ok(())
}

fn has_period(secret: &[u8], period: usize) -> bool {
    secret.iter().zip(secret.iter().skip(period)).all(|(one, later)| one == later)
}

/// Whether three of four bytes differ from the one before by the same step.
fn counts(secret: &[u8]) -> bool {
    let mut steps = [0_usize; 256];
    for (one, next) in secret.iter().zip(secret.iter().skip(1)) {
        if let Some(count) = steps.get_mut(usize::from(next.wrapping_sub(*one))) {
            *count += 1;
        }
    }
    steps.iter().max().is_some_and(|most| *most * 4 >= secret.len().saturating_sub(1) * 3)
}

fn is_known(secret: &[u8]) -> bool {
    // A file that it was read from may end with a line break.
    let secret = secret.trim_ascii();
    let repeats = |sample: &[u8]| {
        !sample.is_empty()
            && secret.len() >= sample.len()
            && secret.iter().eq(sample.iter().cycle().take(secret.len()))
    };
    let base64 = Zeroizing::new(encode(secret));
    let hexadecimal = Zeroizing::new(hex::encode(secret));
    SAMPLES.iter().any(|sample| {
        repeats(sample.as_bytes()) || sample.eq_ignore_ascii_case(&hexadecimal) || **sample == **base64
    }) || OF_STANDARDS.iter().any(|sample| **sample == **base64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(secret: &[u8]) -> Option<String> {
        check(secret).err().map(|error| error.0)
    }

    #[test]
    fn what_is_plainly_not_random() {
        let counting: Vec<u8> = (0..64).collect();
        let backwards: Vec<u8> = (0..32).rev().collect();
        let by_sevens: Vec<u8> = (0..32_u8).map(|byte| byte.wrapping_mul(7)).collect();
        let twice = |text: &str| text.repeat(64 / text.len() + 1).into_bytes();
        for (secret, words) in [
            (vec![0; 32], "1 different bytes"),
            (b"a".repeat(64), "1 different bytes"),
            (b"abcd".repeat(8), "4 different bytes"),
            (b"abcde".repeat(8), "a pattern of 5 bytes"),
            (b"0123456789abcdef".repeat(2), "a pattern of 16 bytes"),
            (twice("hunter2hunter3!!"), "a pattern of 16 bytes"),
            (counting[..32].to_vec(), "counts"),
            (counting, "counts"),
            (backwards, "counts"),
            (by_sevens, "counts"),
            (b"0123456789abcdefghijklmnopqrstuvwxyz".to_vec(), "counts"),
            (b"abcdefghijklmnopqrstuvwxyz0123456789".to_vec(), "counts"),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef".to_vec(), "counts"),
            (b"a-string-secret-at-least-256-bits-long".to_vec(), "sample"),
            (b"your-256-bit-secretyour-256-bit-".to_vec(), "sample"),
            (twice("secret"), "sample"),
            (b"secretsecretsecretsecretsecretse".to_vec(), "sample"),
            (b"reallyreallyreallyreallyverysafe".to_vec(), "sample"),
            (b" reallyreallyreallyreallyverysafe\n".to_vec(), "sample"),
            (SAMPLES[6].as_bytes().to_vec(), "sample"),
            (hex::decode(SAMPLES[13]).unwrap(), "sample"),
        ] {
            let why = why(&secret).unwrap_or_default();
            assert!(why.contains(words), "{secret:?}: {why}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Random bytes, and the texts that tools make of them, are never refused.
        #[test]
        fn what_is_random_is_taken(bytes: [u8; 32], more: [u8; 32]) {
            let all = [bytes, more].concat();
            let hexadecimal = hex::encode(&all);
            for secret in
                [&bytes[..], &all, hexadecimal.as_bytes(), &hexadecimal.as_bytes()[..32], encode(bytes).as_bytes()]
            {
                prop_assert_eq!(why(secret), None);
            }
        }
    }
}
