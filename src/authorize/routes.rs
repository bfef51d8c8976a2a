//! A policy for each route, by method and path.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use matchit::Router;

use super::require::Require;

/// The policies of a configuration as a layer around a whole service: see
/// [`Config::policies`](crate::Config::policies).
#[derive(Clone)]
#[must_use = "add it to a service"]
pub struct RequireRoutes {
    listed: Arc<Router<Methods>>,
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

    /// A policy of this very method goes before that of all methods. `HEAD` is what `GET` is.
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
            if let Some(problem) = problem_of(route.path) {
                wrong.push((index, format!("{:?} {problem}", route.path)));
                continue;
            }
            let (_, listed) =
                by_path.entry(route.path.to_owned()).or_insert_with(|| (index, Methods::default()));
            for method in &route.methods {
                listed.add(Some(method.clone()), &route.policy);
            }
            if route.methods.is_empty() {
                listed.add(None, &route.policy);
            }
        }
        // What covers all below a path covers the path itself, unless that is listed by itself.
        let above: Vec<_> = by_path
            .iter()
            .filter_map(|(path, listed)| {
                let (above, _) = path.rsplit_once("/{*")?;
                Some((if above.is_empty() { "/" } else { above }.to_owned(), listed.clone()))
            })
            .collect();
        for (path, listed) in above {
            by_path.entry(path).or_insert(listed);
        }
        let mut listed = Router::new();
        let same_for_all = by_path.is_empty();
        for (path, (index, methods)) in by_path {
            if let Err(error) = listed.insert(&path, methods) {
                wrong.push((index, format!("{path:?} cannot be used: {error}")));
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { listed: Arc::new(listed), unlisted, same_for_all, nobody: Require::any([]) }),
            false => Err(wrong),
        }
    }

    /// A path that could be read in two ways is refused, and so is a method that a listed path does not have.
    pub(super) fn policy_of(&self, method: &Method, path: &str) -> &Require {
        if self.same_for_all {
            return &self.unlisted;
        }
        if is_ambiguous(path) {
            return &self.nobody;
        }
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        match self.listed.at(path) {
            Ok(found) => found.value.policy_of(method).unwrap_or(&self.nobody),
            Err(_) => &self.unlisted,
        }
    }
}

/// Why a path of the configuration matches nothing.
fn problem_of(path: &str) -> Option<&'static str> {
    let is_graphic = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    match path {
        _ if !path.starts_with('/') => Some("does not begin with a slash"),
        _ if path.len() > 1 && path.ends_with('/') => Some("ends with a slash, which counts for nothing"),
        _ if !is_graphic => Some("has characters that no path has"),
        _ if is_ambiguous(path) => Some("could be read in two ways, and such a path is always refused"),
        _ => None,
    }
}

/// Whether servers differ in what this path means: empty segments, dots as segments, escapes of what needs none, an escaped
/// slash (RFC 3986 section 6.2.2).
fn is_ambiguous(path: &str) -> bool {
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    let escape_is_needed = |rest: &str| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| {
            !byte.is_ascii_alphanumeric() && !byte.is_ascii_control() && !b"-._~/\\%".contains(&byte)
        })
    };
    path.contains("//")
        || path.contains('\\')
        || path.split('/').any(is_dots)
        || path.split('%').skip(1).any(|rest| !escape_is_needed(rest))
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

    fn routes() -> RequireRoutes {
        let route = |path, methods: &[Method], scope: &str| Route {
            path,
            methods: methods.to_vec(),
            policy: Require::scope(scope),
        };
        let routes = [
            route("/orders", &[Method::GET], "read"),
            route("/orders", &[Method::POST], "write"),
            route("/orders/{id}", &[], "one"),
            route("/orders/mine", &[Method::GET], "mine"),
            route("/admin/{*rest}", &[], "admin"),
            route("/twice", &[], "a"),
            route("/twice", &[], "b"),
        ];
        RequireRoutes::new(Require::authenticated(), &routes).unwrap()
    }

    #[test]
    fn the_nearest_route_decides() {
        let nobody = Require::any([]).to_string();
        for (method, path, policy) in [
            (Method::GET, "/orders", "scope(\"read\")"),
            (Method::HEAD, "/orders", "scope(\"read\")"),
            (Method::POST, "/orders/", "scope(\"write\")"),
            (Method::DELETE, "/orders", &nobody),
            (Method::DELETE, "/orders/7", "scope(\"one\")"),
            (Method::GET, "/orders/mine", "scope(\"mine\")"),
            (Method::PUT, "/orders/mine", &nobody),
            (Method::GET, "/orders/%C3%A9", "scope(\"one\")"),
            (Method::GET, "/orders/a%20b", "scope(\"one\")"),
            (Method::GET, "/admin", "scope(\"admin\")"),
            (Method::GET, "/admin/", "scope(\"admin\")"),
            (Method::GET, "/admin/a/b", "scope(\"admin\")"),
            (Method::GET, "/twice", "(scope(\"a\") and scope(\"b\"))"),
            (Method::GET, "/", "authenticated"),
            (Method::GET, "/administrator", "authenticated"),
        ] {
            assert_eq!(routes().policy_of(&method, path).to_string(), policy, "{method} {path}");
        }
    }

    #[test]
    fn no_spelling_of_a_path_leads_around_its_policy() {
        let nobody = Require::any([]).to_string();
        for path in [
            "//admin/x",
            "/admin//x",
            "/./admin",
            "/x/../admin",
            "/%61dmin/x",
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
            "/x%252Fadmin",
            "/admin/%2E",
        ] {
            assert_eq!(routes().policy_of(&Method::GET, path).to_string(), nobody, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_match_is_told() {
        let policy = Require::authenticated;
        for path in ["", "orders", "/orders/", "/a//b", "/a b", "/a?b", "/%61", "/{", "/{*rest}/x", "/é"] {
            let route = Route { path, methods: Vec::new(), policy: policy() };
            assert_eq!(RequireRoutes::new(policy(), &[route]).unwrap_err()[0].0, 0, "{path}");
        }
        let route = |path| Route { path, methods: Vec::new(), policy: policy() };
        let wrong = RequireRoutes::new(policy(), &[route("/a/{id}"), route("/a/{name}")]).unwrap_err();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(RequireRoutes::new(policy(), &[route("/{*rest}"), route("/")]).is_ok());
    }
}
