//! A policy for each route, by method and path.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use http::Method;
use matchit::Router;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::require::Require;

/// The policies of a configuration as a layer around a whole service: see
/// [`Config::policies`](crate::Config::policies).
#[derive(Clone)]
#[must_use = "add it to a service"]
pub struct RequireRoutes {
    listed: Arc<Router<Methods>>,
    /// What covers all below a path, for that path itself.
    covered: Arc<Router<Methods>>,
    unlisted: Require,
    /// Whether no route is listed, so that paths do not matter.
    same_for_all: bool,
    nobody: Require,
}

/// One route as it is configured.
pub(crate) struct Route<'a> {
    pub(crate) path: &'a str,
    /// Every method, if there is none.
    pub(crate) methods: Vec<Method>,
    pub(crate) policy: Require,
}

/// The policies of one path.
#[derive(Clone, Debug, Default)]
struct Methods(Vec<(Option<Method>, Require)>);

impl Methods {
    fn add(&mut self, method: Option<Method>, policy: &Require) {
        match self.0.iter_mut().find(|(listed, _)| *listed == method) {
            Some((_, earlier)) => *earlier = Require::all([earlier.clone(), policy.clone()]),
            None => self.0.push((method, policy.clone())),
        }
    }

    /// Every method that is listed by itself needs what all methods need as well. Answers the policies by method.
    fn joined(mut self) -> Self {
        if let Some((_, all)) = self.0.iter().find(|(method, _)| method.is_none()).cloned() {
            for (_, own) in self.0.iter_mut().filter(|(method, _)| method.is_some()) {
                *own = Require::all([own.clone(), all.clone()]);
            }
        }
        self
    }

    /// `HEAD` is what `GET` is, unless it is listed.
    fn policy_of(&self, method: &Method) -> Option<&Require> {
        let of = |wanted: Option<&Method>| {
            self.0.iter().find(|(listed, _)| listed.as_ref() == wanted).map(|(_, policy)| policy)
        };
        let as_get = (method == Method::HEAD).then_some(&Method::GET);
        of(Some(method)).or_else(|| as_get.and_then(|get| of(Some(get)))).or_else(|| of(None))
    }
}

impl RequireRoutes {
    /// # Errors
    /// For each route whose path can match nothing, or is ambiguous beside another: its position, and what is wrong.
    pub(crate) fn new(unlisted: Require, routes: &[Route<'_>]) -> Result<Self, Vec<(usize, String)>> {
        let mut by_path: BTreeMap<String, (usize, Methods)> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let patterns = match patterns_of(route.path) {
                Ok(patterns) => patterns,
                Err(problem) => {
                    wrong.push((index, format!("{:?} {problem}", route.path)));
                    continue;
                }
            };
            for pattern in patterns {
                let (_, listed) = by_path.entry(pattern).or_insert_with(|| (index, Methods::default()));
                for method in &route.methods {
                    listed.add(Some(method.clone()), &route.policy);
                }
                if route.methods.is_empty() {
                    listed.add(None, &route.policy);
                }
            }
        }
        let (mut listed, mut covered) = (Router::new(), Router::new());
        let same_for_all = by_path.is_empty();
        for (path, (index, methods)) in &by_path {
            let above = path.strip_suffix("/{*rest}").map(|above| if above.is_empty() { "/" } else { above });
            if let Some(above) = above.filter(|above| !by_path.contains_key(*above))
                && let Err(error) = covered.insert(above, methods.clone().joined())
            {
                wrong.push((*index, format!("{path:?} cannot be used: {error}")));
            }
        }
        for (path, (index, methods)) in by_path {
            if let Err(error) = listed.insert(&path, methods.joined()) {
                wrong.push((index, format!("{path:?} cannot be used: {error}")));
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let nobody = Require::any([]);
        Ok(Self { listed: Arc::new(listed), covered: Arc::new(covered), unlisted, same_for_all, nobody })
    }

    /// A path that could be read in two ways is refused, and so is a method that a listed path does not have.
    ///
    /// A server may look at the path as it is sent or with its escapes decoded, and may or may not care for a final slash. So the
    /// policies of all these readings must be satisfied.
    pub(super) fn policy_of(&self, method: &Method, path: &str) -> Cow<'_, Require> {
        if self.same_for_all {
            return Cow::Borrowed(&self.unlisted);
        }
        let Some(plain) = plain(path) else { return Cow::Borrowed(&self.nobody) };
        if path == plain && (path == "/" || !path.ends_with('/')) {
            let mut policies = self.policies_at(method, path);
            if let (Some(only), None) = (policies.next(), policies.next()) {
                return Cow::Borrowed(only);
            }
        }
        let mut all: Vec<&Require> = Vec::new();
        for reading in [path, &plain] {
            let shorter = reading.strip_suffix('/').filter(|shorter| !shorter.is_empty());
            for reading in [Some(reading), shorter].into_iter().flatten() {
                for policy in self.policies_at(method, reading) {
                    if !all.iter().any(|known| known.is_same(policy)) {
                        all.push(policy);
                    }
                }
            }
        }
        match all.as_slice() {
            [only] => Cow::Borrowed(only),
            several => Cow::Owned(Require::all(several.iter().copied().cloned())),
        }
    }

    fn policies_at(&self, method: &Method, path: &str) -> impl Iterator<Item = &Require> {
        let nobody = &self.nobody;
        let listed = self.listed.at(path).ok().map(|found| found.value.policy_of(method).unwrap_or(nobody));
        let covered = self.covered.at(path).ok().map(|found| found.value.policy_of(method).unwrap_or(nobody));
        let unlisted = (listed.is_none() && covered.is_none()).then_some(&self.unlisted);
        [listed, covered, unlisted].into_iter().flatten()
    }
}

/// The path as it is matched, its parameters numbered, so that their names make no difference: with its escapes decoded, and as
/// clients send it.
///
/// # Errors
/// Why it matches nothing, or not what it seems to.
fn patterns_of(path: &str) -> Result<BTreeSet<String>, &'static str> {
    if !path.starts_with('/') {
        return Err("does not begin with a slash");
    }
    if path.len() > 1 && path.ends_with('/') {
        return Err("ends with a slash, which counts for nothing");
    }
    if path.contains(['?', '#']) {
        return Err("has a query or a fragment, which are no part of a path");
    }
    if path.contains("%7B") || path.contains("%7b") || path.contains("%7D") || path.contains("%7d") {
        return Err("has an escaped brace");
    }
    if path.contains(char::is_whitespace) {
        return Err("has white space; write it as %20");
    }
    let mut pattern = String::new();
    let mut segments = path.split('/').skip(1).enumerate().peekable();
    while let Some((number, segment)) = segments.next() {
        pattern.push('/');
        let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match inner.map(|inner| inner.strip_prefix('*').map_or((false, inner), |name| (true, name))) {
            Some((_, name)) if name.is_empty() || name.contains(['{', '}', '*']) => {
                return Err("has a parameter without a name of letters");
            }
            Some((true, _)) if segments.peek().is_some() => return Err("goes on after {*rest}"),
            Some((true, _)) => pattern.push_str("{*rest}"),
            Some((false, _)) => pattern.push_str(&format!("{{p{number}}}")),
            None if segment.contains(['{', '}']) => {
                return Err("has a parameter that is not a whole segment");
            }
            None if segment.starts_with(':') => return Err("has a parameter in the form of another router"),
            None if segment.contains('*') => return Err("has an asterisk, which stands for nothing here"),
            None => pattern.push_str(segment),
        }
    }
    let plain = plain(&pattern).ok_or("could be read in two ways, and such a path is always refused")?;
    let sent = utf8_percent_encode(&plain, &ESCAPED).to_string();
    Ok(BTreeSet::from([sent, plain.into_owned()]))
}

/// What no client sends unescaped in a path (RFC 3986 section 3.3), but for the braces of parameters.
const ESCAPED: AsciiSet =
    CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'[').add(b']').add(b'^').add(b'`').add(b'|');

/// The path with its escapes decoded; `None` if servers differ in what it means: empty segments, dots as segments, path
/// parameters, an escaped slash, an escape within an escape, or what is no path at all (RFC 3986 section 6.2.2).
fn plain(path: &str) -> Option<Cow<'_, str>> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !path.starts_with('/') || !path.split('%').skip(1).all(is_escape) {
        return None;
    }
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let is_plain = !decoded.contains(['\\', ';', '%'])
        && !decoded.contains("//")
        && !decoded.contains(char::is_control)
        && !decoded.split('/').any(|segment| matches!(segment, "." | ".."))
        && slashes(&decoded) == slashes(path);
    is_plain.then_some(decoded)
}

impl fmt::Debug for RequireRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireRoutes")
            .field("listed", &self.listed)
            .field("unlisted", &self.unlisted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route<'p>(path: &'p str, methods: &[Method], scope: &str) -> Route<'p> {
        Route { path, methods: methods.to_vec(), policy: Require::scope(scope) }
    }

    fn routes(listed: &[Route<'_>]) -> RequireRoutes {
        RequireRoutes::new(Require::authenticated(), listed).unwrap()
    }

    fn shop() -> RequireRoutes {
        routes(&[
            route("/orders", &[Method::GET], "read"),
            route("/orders", &[Method::POST], "write"),
            route("/orders/{id}", &[], "one"),
            route("/orders/{name}/lines/{*rest}", &[], "lines"),
            route("/orders/mine", &[Method::GET], "mine"),
            route("/admin/{*rest}", &[], "admin"),
            route("/twice", &[], "a"),
            route("/twice", &[], "b"),
            route("/mixed", &[], "all"),
            route("/mixed", &[Method::GET], "get"),
            route("/café/@", &[], "cafe"),
            route("/v1/users:search", &[], "search"),
        ])
    }

    fn nobody() -> String {
        Require::any([]).to_string()
    }

    #[test]
    fn the_nearest_route_decides() {
        for (method, path, policy) in [
            (Method::GET, "/orders", "scope(\"read\")"),
            (Method::HEAD, "/orders", "scope(\"read\")"),
            (Method::POST, "/orders/", "(authenticated and scope(\"write\"))"),
            (Method::DELETE, "/orders", &nobody()),
            (Method::DELETE, "/orders/7", "scope(\"one\")"),
            (Method::GET, "/orders/mine", "scope(\"mine\")"),
            (Method::PUT, "/orders/mine", &nobody()),
            (Method::GET, "/orders/7/lines", "scope(\"lines\")"),
            (Method::GET, "/orders/7/lines/8", "scope(\"lines\")"),
            (Method::GET, "/orders/%C3%A9", "scope(\"one\")"),
            (Method::GET, "/orders/a%20b", "scope(\"one\")"),
            (Method::GET, "/admin", "scope(\"admin\")"),
            (Method::GET, "/admin/", "(authenticated and scope(\"admin\"))"),
            (Method::GET, "/admin/a/b", "scope(\"admin\")"),
            (Method::GET, "/twice", "(scope(\"a\") and scope(\"b\"))"),
            (Method::GET, "/mixed", "(scope(\"get\") and scope(\"all\"))"),
            (Method::POST, "/mixed", "scope(\"all\")"),
            (Method::GET, "/", "authenticated"),
            (Method::GET, "/administrator", "authenticated"),
        ] {
            assert_eq!(shop().policy_of(&method, path).to_string(), policy, "{method} {path}");
        }
    }

    #[test]
    fn no_spelling_of_a_path_leads_around_its_policy() {
        for (path, policy) in [
            ("/%61dmin/x", "(authenticated and scope(\"admin\"))"),
            ("/%61%64%6d%69%6E", "(authenticated and scope(\"admin\"))"),
            ("/caf%C3%A9/@", "scope(\"cafe\")"),
            ("/café/@", "scope(\"cafe\")"),
            ("/caf%c3%a9/@", "(authenticated and scope(\"cafe\"))"),
            ("/caf%C3%A9/%40", "(authenticated and scope(\"cafe\"))"),
            ("/v1/users%3Asearch", "(authenticated and scope(\"search\"))"),
            ("/orders/%6dine", "(scope(\"one\") and scope(\"mine\"))"),
        ] {
            assert_eq!(shop().policy_of(&Method::GET, path).to_string(), policy, "{path}");
        }
        for path in [
            "",
            "*",
            "x",
            "admin",
            "localhost:80",
            "//admin/x",
            "/admin//x",
            "/./admin",
            "/x/../admin",
            "/admin%2Fx",
            "/admin%2fx",
            "/%2e%2e/admin",
            "/admin/..",
            "/x/%2e%2E/admin",
            "/admin%5Cx",
            "/admin\\x",
            "/admin%",
            "/admin%6",
            "/admin%zz",
            "/admin%00",
            "/admin%0a",
            "/x%252Fadmin",
            "/%2561dmin",
            "/admin/%2E",
            "/admin;x",
            "/public/..;/admin",
            "/admin%3Bx",
            "/%ff",
            "/%C3",
        ] {
            assert_eq!(shop().policy_of(&Method::GET, path).to_string(), nobody(), "{path}");
        }
    }

    /// A server that looks at the path as it is sent must not find a route that is guarded by less than its own policy.
    #[test]
    fn every_reading_of_a_path_is_guarded() {
        let anyone = |path| Route { path, methods: Vec::new(), policy: Require::anyone() };
        let open = routes(&[
            route("/files/{*rest}", &[], "files"),
            anyone("/files/public/{*rest}"),
            route("/{tenant}", &[], "tenant"),
            anyone("/public/{*rest}"),
            anyone("/health"),
        ]);
        for (path, policy) in [
            ("/files/public/x", "anyone"),
            ("/files/%70ublic/x", "(scope(\"files\") and anyone)"),
            ("/public/x", "anyone"),
            // `/{tenant}` takes it, too.
            ("/public", "(scope(\"tenant\") and anyone)"),
            ("/health", "anyone"),
            ("/health/", "(authenticated and anyone)"),
        ] {
            assert_eq!(open.policy_of(&Method::GET, path).to_string(), policy, "{path}");
        }
    }

    #[test]
    fn without_routes_no_path_matters() {
        for path in ["", "*", "//admin", "/a/../b", "/a%2Fb"] {
            assert_eq!(routes(&[]).policy_of(&Method::GET, path).to_string(), "authenticated", "{path}");
        }
    }

    #[test]
    fn a_path_that_does_not_match_what_it_seems_to_is_told() {
        for path in [
            "",
            "orders",
            "/orders/",
            "/a//b",
            "/a b",
            "/a?b",
            "/a#b",
            "/a%2Fb",
            "/a;b",
            "/{",
            "/}",
            "/{}",
            "/{*}",
            "/{*rest}/x",
            "/a{id}",
            "/{id}b",
            "/{a}{b}",
            "/admin{*rest}",
            "/admin/*",
            "/*",
            "/:id",
            "/users/:id",
            "/a/**",
            "/..",
            "*",
        ] {
            let wrong = RequireRoutes::new(Require::authenticated(), &[route(path, &[], "a")]).unwrap_err();
            assert_eq!((wrong.len(), wrong[0].0), (1, 0), "{path}: {wrong:?}");
        }
        // The names of parameters make no difference.
        let same =
            routes(&[route("/a/{id}", &[], "a"), route("/a/{name}", &[], "b"), route("/{*rest}", &[], "c")]);
        assert_eq!(same.policy_of(&Method::GET, "/a/7").to_string(), "(scope(\"a\") and scope(\"b\"))");
        assert_eq!(same.policy_of(&Method::GET, "/").to_string(), "scope(\"c\")");
    }
}
