//! A parameter of the query, and how to keep it out of logs.

use http::Uri;
use http::uri::PathAndQuery;

use super::authorization::is_token68;
use crate::error::Reason;

/// The value of the parameter `name`, which may stand once. Names are compared after decoding, so that no other
/// spelling of the same name goes by.
pub(super) fn token(uri: &Uri, name: &str) -> Result<Option<String>, Reason> {
    let query = uri.query().unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(one, _)| one == name);
    let Some((_, value)) = values.next() else { return Ok(None) };
    if values.next().is_some() || !is_token68(&value) {
        return Err(Reason::MalformedRequest);
    }
    Ok(Some(value.into_owned()))
}

/// Takes the parameter `name` out of `uri`.
pub(super) fn remove(uri: &mut Uri, name: &str) {
    let Some(query) = uri.query() else { return };
    let is_other = |part: &&str| form_urlencoded::parse(part.as_bytes()).all(|(one, _)| one != name);
    let others: Vec<&str> = query.split('&').filter(is_other).collect();
    let path = uri.path();
    let rest = if others.is_empty() { path.to_owned() } else { format!("{path}?{}", others.join("&")) };
    let Ok(path_and_query) = rest.parse::<PathAndQuery>() else { return };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    if let Ok(without) = Uri::from_parts(parts) {
        *uri = without;
    }
}

/// The URI without the parameters `names`, for traces that see a request before its token was taken out.
///
/// ```
/// use tower_jwt_auth::redacted_uri;
///
/// let uri = "/events?from=3&access_token=secret".parse().unwrap();
/// assert_eq!(redacted_uri(&uri, ["access_token"]), "/events?from=3");
/// ```
#[must_use]
pub fn redacted_uri<'n>(uri: &Uri, names: impl IntoIterator<Item = &'n str>) -> Uri {
    let mut uri = uri.clone();
    names.into_iter().for_each(|name| remove(&mut uri, name));
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Result<Option<String>, Reason> {
        token(&uri.parse().unwrap(), "access_token")
    }

    #[test]
    fn the_parameter_may_stand_once() {
        assert_eq!(of("/"), Ok(None));
        assert_eq!(of("/?x=1&Access_Token=a"), Ok(None));
        assert_eq!(of("/?access_token=a.b-c_&x=1"), Ok(Some("a.b-c_".to_owned())));
        assert_eq!(of("/?access%5ftoken=a.b.c"), Ok(Some("a.b.c".to_owned())));
        for refused in [
            "/?access_token=",
            "/?access_token",
            "/?access_token=a&access_token=a",
            "/?access_token=a&access%5Ftoken=b",
            "/?access_token=a%20b",
            "/?access_token=a,b",
        ] {
            assert_eq!(of(refused), Err(Reason::MalformedRequest), "{refused}");
        }
    }

    #[test]
    fn every_spelling_is_taken_out() {
        let without = |uri: &str| redacted_uri(&uri.parse().unwrap(), ["access_token"]).to_string();
        assert_eq!(without("/a?access_token=x"), "/a");
        assert_eq!(without("/a?b=1&access_token=x&c=%20"), "/a?b=1&c=%20");
        assert_eq!(without("/a?access%5ftoken=x&access_token=y"), "/a");
        assert_eq!(without("https://h:1/a?access_token=x"), "https://h:1/a");
        assert_eq!(without("/a?access_tokens=x"), "/a?access_tokens=x");
        assert_eq!(without("*"), "*");
    }
}
