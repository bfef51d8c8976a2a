//! Whether the answer is wanted as a signed token (RFC 9701 section 4).

use http::HeaderMap;
use http::header::ACCEPT;

/// The media type of signed answers.
pub(super) const SIGNED: &str = "application/token-introspection+jwt";

/// Whether `Accept` names the signed form, and likes it at least as well as the plain one.
pub(super) fn wants_signed(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<_> = lines.flat_map(|line| line.split(',')).filter_map(range).collect();
    let quality = |media_type: &str| {
        let named = ranges.iter().filter(|(named, _)| named.eq_ignore_ascii_case(media_type));
        named.map(|(_, quality)| *quality).max().unwrap_or(0)
    };
    // A wildcard is no request for it: it is what clients send that never heard of it.
    quality(SIGNED) > 0 && quality(SIGNED) >= quality("application/json")
}

/// A media type and its weight in thousandths (RFC 9110 section 12.4.2).
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next()?;
    let weight =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = match weight {
        None => 1.0,
        Some((_, value)) => value.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
    };
    Some((media_type, (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wants(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        wants_signed(&headers)
    }

    #[test]
    fn the_signed_form_has_to_be_named() {
        for signed in [
            &["application/token-introspection+jwt"][..],
            &["Application/Token-Introspection+JWT; q=0.5"],
            &["application/json, application/token-introspection+jwt"],
            &["application/json;q=0.9", "application/token-introspection+jwt"],
            &["application/token-introspection+jwt ;v=1; Q=0.001, */*;q=0.9"],
        ] {
            assert!(wants(signed), "{signed:?}");
        }
        for plain in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["application/jwt"],
            &["application/token-introspection+jwt;q=0"],
            &["application/token-introspection+jwt;q=0.5, application/json"],
            &["application/token-introspection+jwt;q=2"],
            &["application/token-introspection+jwt;q=NaN"],
            &["text/application/token-introspection+jwt"],
        ] {
            assert!(!wants(plain), "{plain:?}");
        }
    }
}
