//! A configuration that is exchanged while the service runs.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::{Request, Response};
use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

use super::config::Config;
use crate::authorize::{Authorize, RequireRoutes};
use crate::error::ConfigError;
use crate::jose::Claims;
use crate::layer::{Auto, JwtAuth, JwtAuthLayer, Reject};
use crate::runtime::trace;
use crate::verify::{ClaimsType, VerifierBuilder};

/// The layer and the policies of a [`Config`], which [`ReloadableLayer::reload`] exchanges while the service runs (feature
/// `config`).
///
/// A function of yours makes the layer, at the start and at each reload: it is where a clock, checks, metrics or answers of your
/// own are added. Clones share what is exchanged, so keep one to reload by.
///
/// The extensions of each request that passes have the `Arc<Config>` by which it was judged.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use axum::{Router, routing::get};
/// use tower_jwt_auth::{Claims, Config, ReloadableLayer};
///
/// # let text = "[[authorities]]\nissuer = \"shop\"\naudience = \"orders\"\nsecret = \"raw:Kq7#vT2!mZ9$wP4&xR6*cN8^bL3@hJ5%\"";
/// let config = Config::from_toml(text)?;
/// let auth = ReloadableLayer::<Claims>::new(&config, |config, builder| config.layer(builder.build()?))?;
/// let app: Router = Router::new().route("/orders", get(|| async {})).layer(auth.clone());
/// // Later, such as when a signal comes. A configuration that is wrong changes nothing.
/// auth.reload(&Config::from_toml(text)?).await?;
/// # Ok(()) }
/// ```
#[must_use = "add it to a service"]
pub struct ReloadableLayer<C = Claims, R = Auto> {
    shared: Arc<Shared<C, R>>,
}

struct Shared<C, R> {
    current: ArcSwap<Protection<C, R>>,
    make: Box<Make<C, R>>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

type Make<C, R> =
    dyn Fn(&Config, VerifierBuilder<C>) -> Result<JwtAuthLayer<C, R>, ConfigError> + Send + Sync;

/// What one configuration amounts to.
struct Protection<C, R> {
    config: Arc<Config>,
    layer: JwtAuthLayer<C, R>,
    policies: RequireRoutes,
}

impl<C: ClaimsType, R> ReloadableLayer<C, R> {
    /// Makes a layer by `make`, which gets the configuration, and [`Config::verifier_builder`] of it.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new<F>(config: &Config, make: F) -> Result<Self, ConfigError>
    where
        F: Fn(&Config, VerifierBuilder<C>) -> Result<JwtAuthLayer<C, R>, ConfigError> + Send + Sync + 'static,
    {
        let layer = make(config, config.verifier_builder()?)?;
        let first = Protection { config: Arc::new(config.clone()), layer, policies: config.policies()? };
        let current = ArcSwap::from_pointee(first);
        Ok(Self { shared: Arc::new(Shared { current, make: Box::new(make), reloading: Mutex::default() }) })
    }

    /// Exchanges everything at once: each request is judged by the one configuration or by the other, and none is refused
    /// because of the exchange.
    ///
    /// Keys that are fetched as before (the same address, and the same table `fetch` and files) are kept. All others are fetched
    /// before the exchange, those of authorities that `make` adds each time. The tokens in the cache are dropped. The files that the configuration names are read again.
    ///
    /// # Errors
    /// Those of `make`, and if keys that are new cannot be fetched. The configuration before stays in force. A second reload waits for
    /// the first.
    pub async fn reload(&self, config: &Config) -> Result<(), ConfigError> {
        let _one = self.shared.reloading.lock().await;
        let made = self.made(config).await;
        match &made {
            Ok(()) => trace::info!("the configuration was exchanged"),
            Err(_error) => trace::warn!(error = %_error, "the configuration was not exchanged"),
        }
        made
    }

    async fn made(&self, config: &Config) -> Result<(), ConfigError> {
        let before = self.shared.current.load_full();
        let builder = config.verifier_builder()?.keys_of(before.layer.verifier().clone());
        let layer = (self.shared.make)(config, builder)?;
        let policies = config.policies()?;
        let kept: Vec<_> = before.layer.verifier().shared_sources().collect();
        layer.verifier().warm_but(&kept).await?;
        self.shared.current.store(Arc::new(Protection { config: Arc::new(config.clone()), layer, policies }));
        Ok(())
    }
}

// By hand: a derive would ask for `C: Clone` and `R: Clone`.
impl<C, R> Clone for ReloadableLayer<C, R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C, R> fmt::Debug for ReloadableLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.shared.current.load();
        f.debug_struct("ReloadableLayer")
            .field("layer", &current.layer)
            .field("policies", &current.policies)
            .finish_non_exhaustive()
    }
}

impl<S: Clone, C, R> Layer<S> for ReloadableLayer<C, R> {
    type Service = ReloadableAuth<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        ReloadableAuth { inner, layer: self.clone() }
    }
}

/// A service behind a configuration that can be exchanged. Made by [`ReloadableLayer`].
pub struct ReloadableAuth<S, C = Claims, R = Auto> {
    inner: S,
    layer: ReloadableLayer<C, R>,
}

impl<S, C, R, A, B> Service<Request<A>> for ReloadableAuth<S, C, R>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    C: ClaimsType,
    R: Reject<B> + Clone,
    Auto: Reject<B>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = <JwtAuth<Authorize<S>, C, R> as Service<Request<A>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // The clone that is ready serves this request.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let current = self.layer.shared.current.load();
        request.extensions_mut().insert(Arc::clone(&current.config));
        current.layer.layer(current.policies.layer(ready)).call(request)
    }
}

impl<S: Clone, C, R> Clone for ReloadableAuth<S, C, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for ReloadableAuth<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadableAuth").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
