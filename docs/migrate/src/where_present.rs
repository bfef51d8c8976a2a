use tower_jwt_auth::{AuthError, Authority, Principal, Reason};

/// Takes a token without `iss` or `aud`, and compares these claims where they are.
pub fn compared_where_present(authority: Authority, issuer: &str, audience: &str) -> Authority {
    let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
    authority.any_issuer().any_audience().check(move |token: &Principal| {
        if token.issuer().is_some_and(|found| found != issuer) {
            return Err(AuthError::new(Reason::UnknownIssuer));
        }
        // `audience()` is empty for a missing claim and for `[]` alike.
        let present = token.claim::<serde_json::Value>("aud").is_some_and(|aud| !aud.is_null());
        if present && !token.audience().any(|found| found == audience) {
            return Err(AuthError::new(Reason::WrongAudience));
        }
        Ok(())
    })
}
