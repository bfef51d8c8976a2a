//! Random routers, and beside each a model that knows nothing of axum but its documentation.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Router;
use axum::routing::{Route, delete, get, post};
use http::{Method, Response, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, Service, service_fn};

/// One call on a router; a shape is a list of them in the order of the calls.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Route(&'static str, Verbs),
    RouteService(&'static str),
    Nest(&'static str, Vec<Self>),
    NestService(&'static str),
    Merge(Vec<Self>),
    Fallback,
    MethodNotAllowedFallback,
    Layer,
    RouteLayer,
}

/// What a method router holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verbs {
    Get,
    Post,
    GetAndPost,
    /// `get(..).layer(..).post(..)`
    LayeredGetAndPost,
    /// `get(..).route_layer(..).post(..)`
    RouteLayeredGetAndPost,
    /// `delete(..).layer(..)`
    LayeredDelete,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verbs = select(vec![
        Verbs::Get,
        Verbs::Post,
        Verbs::GetAndPost,
        Verbs::LayeredGetAndPost,
        Verbs::RouteLayeredGetAndPost,
        Verbs::LayeredDelete,
    ]);
    let step = prop_oneof![
        6 => (select(vec!["/", "/a", "/a/", "/b", "/a/b", "/n/a"]), verbs)
            .prop_map(|(path, verbs)| Step::Route(path, verbs)),
        1 => select(vec!["/", "/a", "/b", "/x"]).prop_map(Step::RouteService),
        1 => select(vec!["/n", "/m"]).prop_map(Step::NestService),
        1 => Just(Step::Fallback),
        1 => Just(Step::MethodNotAllowedFallback),
        2 => Just(Step::Layer),
        2 => Just(Step::RouteLayer),
    ];
    let step = step.prop_recursive(2, 24, 5, |step| {
        let inner = prop::collection::vec(step.clone(), 1..6);
        prop_oneof![
            3 => step,
            2 => (select(vec!["/n", "/m", "/a"]), inner.clone())
                .prop_map(|(prefix, steps)| Step::Nest(prefix, steps)),
            1 => inner.prop_map(Step::Merge),
        ]
    });
    prop::collection::vec(step, 1..9)
}

/// What answers a request in the end, and whether a layer is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) status: u16,
    pub(super) covered: bool,
}

impl End {
    const fn open(status: u16) -> Self {
        Self { status, covered: false }
    }
}

const HANDLER: u16 = 200;
const SERVICE: u16 = 201;
const FALLBACK: u16 = 202;
const WRONG_METHOD: u16 = 203;
const NESTED_SERVICE: u16 = 226;
const NO_ROUTE: u16 = 404;
const NO_METHOD: u16 = 405;

#[derive(Clone, Debug)]
enum Node {
    /// By method, and what answers all others.
    Methods(BTreeMap<&'static str, End>, End),
    /// Whatever the method.
    Service(End),
}

/// What a router holds: the routes by path (`/*` at the end: whatever is below it, but not nothing), and fallbacks.
#[derive(Clone, Debug)]
pub(super) struct Model {
    routes: BTreeMap<String, Node>,
    fallback: End,
    /// Fallbacks of nested routers, by prefix.
    nested_fallbacks: BTreeMap<String, End>,
}

impl Model {
    const fn new() -> Self {
        Self { routes: BTreeMap::new(), fallback: End::open(NO_ROUTE), nested_fallbacks: BTreeMap::new() }
    }

    /// What answers a request.
    pub(super) fn end_of(&self, method: &Method, path: &str) -> End {
        let below = |prefix: &str| {
            path.strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| !rest.is_empty())
        };
        let wildcard = || {
            let matching = self.routes.iter().filter(|(key, _)| key.strip_suffix("/*").is_some_and(below));
            matching.max_by_key(|(key, _)| key.len()).map(|(_, node)| node)
        };
        match self.routes.get(path).or_else(wildcard) {
            Some(Node::Service(end)) => *end,
            Some(Node::Methods(ends, others)) => {
                let verb = if method == Method::HEAD { "GET" } else { method.as_str() };
                *ends.get(verb).unwrap_or(others)
            }
            None => {
                let nested = self.nested_fallbacks.iter();
                let matching = nested.filter(|(prefix, _)| *prefix == path || below(prefix));
                matching.max_by_key(|(prefix, _)| prefix.len()).map_or(self.fallback, |(_, end)| *end)
            }
        }
    }

    /// Adds routes; false, and nothing changed, if axum would refuse them as overlapping.
    fn add(&mut self, added: BTreeMap<String, Node>) -> bool {
        let mut routes = self.routes.clone();
        for (path, node) in added {
            let merged = match (routes.remove(&path), node) {
                (None, node) => node,
                (Some(Node::Methods(mut ends, others)), Node::Methods(more, more_others)) => {
                    if more.keys().any(|verb| ends.contains_key(verb)) {
                        return false;
                    }
                    ends.extend(more);
                    // A fallback of one's own wins; of two defaults, the one that was added last.
                    let others = match (others.status == WRONG_METHOD, more_others.status == WRONG_METHOD) {
                        (true, true) => return false,
                        (true, false) => others,
                        (false, _) => more_others,
                    };
                    Node::Methods(ends, others)
                }
                _ => return false,
            };
            routes.insert(path, merged);
        }
        self.routes = routes;
        true
    }

    fn cover_routes(&mut self) {
        for node in self.routes.values_mut() {
            match node {
                Node::Service(end) => end.covered = true,
                Node::Methods(ends, others) => {
                    ends.values_mut().chain([others]).for_each(|end| end.covered = true);
                }
            }
        }
    }

    fn nest(&mut self, prefix: &str, inner: Self) -> bool {
        let at = |path: &str| if path == "/" { prefix.to_owned() } else { format!("{prefix}{path}") };
        // A router without a fallback of its own leaves unknown paths to the one around it.
        let fallbacks: BTreeMap<String, End> = if inner.fallback.status == FALLBACK {
            let own = std::iter::once((prefix.to_owned(), inner.fallback));
            own.chain(inner.nested_fallbacks.iter().map(|(path, end)| (at(path), *end))).collect()
        } else {
            BTreeMap::new()
        };
        let overlap = fallbacks.keys().any(|prefix| self.nested_fallbacks.contains_key(prefix));
        if overlap || !self.add(inner.routes.into_iter().map(|(path, node)| (at(&path), node)).collect()) {
            return false;
        }
        self.nested_fallbacks.extend(fallbacks);
        true
    }

    fn merge(&mut self, other: Self) -> bool {
        let both = self.fallback.status == FALLBACK && other.fallback.status == FALLBACK;
        let overlap = other.nested_fallbacks.keys().any(|prefix| self.nested_fallbacks.contains_key(prefix));
        if both || overlap || !self.add(other.routes) {
            return false;
        }
        if self.fallback.status != FALLBACK {
            self.fallback = other.fallback;
        }
        self.nested_fallbacks.extend(other.nested_fallbacks);
        true
    }

    /// Does one step that needs no inner router; false, and nothing changed, if axum would refuse it.
    fn step(&mut self, step: &Step) -> bool {
        match *step {
            Step::Route(path, verbs) => {
                let node = verbs.node();
                self.add(BTreeMap::from([(path.to_owned(), node)]))
            }
            Step::RouteService(path) => {
                let node = Node::Service(End::open(SERVICE));
                !self.routes.contains_key(path) && self.add(BTreeMap::from([(path.to_owned(), node)]))
            }
            Step::NestService(prefix) => {
                let node = Node::Service(End::open(NESTED_SERVICE));
                let paths = ["", "/", "/*"].map(|end| format!("{prefix}{end}"));
                self.add(paths.into_iter().map(|path| (path, node.clone())).collect())
            }
            Step::Fallback => {
                self.fallback = End::open(FALLBACK);
                true
            }
            Step::MethodNotAllowedFallback => {
                for node in self.routes.values_mut() {
                    match node {
                        Node::Methods(_, others) if others.status == NO_METHOD => {
                            *others = End::open(WRONG_METHOD);
                        }
                        _ => {}
                    }
                }
                true
            }
            Step::Layer => {
                self.cover_routes();
                self.fallback.covered = true;
                self.nested_fallbacks.values_mut().for_each(|end| end.covered = true);
                true
            }
            Step::RouteLayer => {
                self.cover_routes();
                !self.routes.is_empty()
            }
            Step::Nest(..) | Step::Merge(_) => false,
        }
    }
}

impl Verbs {
    fn node(self) -> Node {
        let [open, covered] = [false, true].map(|covered| End { status: HANDLER, covered });
        let (ends, layered): (Vec<_>, bool) = match self {
            Self::Get => (vec![("GET", open)], false),
            Self::Post => (vec![("POST", open)], false),
            Self::GetAndPost => (vec![("GET", open), ("POST", open)], false),
            Self::LayeredGetAndPost => (vec![("GET", covered), ("POST", open)], true),
            Self::RouteLayeredGetAndPost => (vec![("GET", covered), ("POST", open)], false),
            Self::LayeredDelete => (vec![("DELETE", covered)], true),
        };
        Node::Methods(ends.into_iter().collect(), End { status: NO_METHOD, covered: layered })
    }
}

fn status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

/// The router of these steps, and its model. What would overlap is left out of both.
pub(super) fn build<L>(steps: &[Step], layer: &L) -> (Router, Model)
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Inner,
    <L::Service as Service<axum::extract::Request>>::Future: Send,
{
    let handler = async || status(HANDLER);
    let service = |code| {
        service_fn(move |_: axum::extract::Request| async move {
            Ok::<_, Infallible>(Response::builder().status(code).body(axum::body::Body::empty()).unwrap())
        })
    };
    let (mut router, mut model) = (Router::new(), Model::new());
    for step in steps {
        let inner = match step {
            Step::Nest(_, steps) | Step::Merge(steps) => Some(build(steps, layer)),
            _ => None,
        };
        let mut changed = model.clone();
        let accepted = match (step, &inner) {
            (Step::Nest(prefix, _), Some((_, inner))) => changed.nest(prefix, inner.clone()),
            (Step::Merge(_), Some((_, inner))) => changed.merge(inner.clone()),
            _ => changed.step(step),
        };
        if !accepted {
            continue;
        }
        model = changed;
        let inner = inner.map(|(router, _)| router).unwrap_or_default();
        router = match *step {
            Step::Route(path, verbs) => {
                let methods = match verbs {
                    Verbs::Get => get(handler),
                    Verbs::Post => post(handler),
                    Verbs::GetAndPost => get(handler).post(handler),
                    Verbs::LayeredGetAndPost => get(handler).layer(layer.clone()).post(handler),
                    Verbs::RouteLayeredGetAndPost => get(handler).route_layer(layer.clone()).post(handler),
                    Verbs::LayeredDelete => delete(handler).layer(layer.clone()),
                };
                router.route(path, methods)
            }
            Step::RouteService(path) => router.route_service(path, service(SERVICE)),
            Step::NestService(prefix) => router.nest_service(prefix, service(NESTED_SERVICE)),
            Step::Nest(prefix, _) => router.nest(prefix, inner),
            Step::Merge(_) => router.merge(inner),
            Step::Fallback => router.fallback(async || status(FALLBACK)),
            Step::MethodNotAllowedFallback => {
                router.method_not_allowed_fallback(async || status(WRONG_METHOD))
            }
            Step::Layer => router.layer(layer.clone()),
            Step::RouteLayer => router.route_layer(layer.clone()),
        };
    }
    (router, model)
}

/// A layered route as axum demands it.
pub(super) trait Inner:
    Service<axum::extract::Request, Response = axum::response::Response, Error = Infallible>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Inner for S where
    S: Service<axum::extract::Request, Response = axum::response::Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static
{
}
