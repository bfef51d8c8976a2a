//! The configuration, read and found good.

use std::path::Path;

use toml::Table;

use super::authority::AuthorityConfig;
use super::check::check;
use super::environment::{CONFIG, tree};
use super::files::{shown_path, text_of};
use super::names::Names;
use super::settings::Settings;
use super::{layer, reader, schema};
use crate::authorize::RequireRoutes;
use crate::error::ConfigProblemKind::{Conflict, Unavailable};
use crate::error::{ConfigError, Problems};
use crate::layer::JwtAuthLayer;
use crate::verify::{ClaimsType, Verifier, VerifierBuilder};

/// What a deployment changes, from a TOML file or from environment variables (feature `config`).
///
/// A configuration that was read has been checked: the error names all mistakes at once, each by the key or the variable that the
/// user wrote, and shows no secret. A key that is not known is a mistake. [`Config::json_schema`] lists all keys.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Claims, Config};
///
/// let config = Config::from_toml(
///     r#"
///     [[authorities]]
///     issuer = "https://id.example.com"
///     audience = "orders-api"
///     oidc = true
///     leeway = 10
///
///     [require]
///     scopes = ["orders:read"]
///     "#,
/// )?;
/// let verifier = config.verifier_builder::<Claims>()?.build()?;
/// let (layer, policies) = (config.layer(verifier)?, config.policies()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    names: Names,
}

impl Config {
    /// Reads a TOML text.
    ///
    /// # Errors
    /// If it is no TOML; or all mistakes in its settings, and in the files that they name.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::read(reader::parse(text)?, Names::default(), Problems::default())
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// If it cannot be read, or for the reasons of [`Config::from_toml`]. Each mistake names the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let text = text_of(path.as_ref());
        let path = shown_path(path.as_ref(), false).unwrap_or_else(|| "the file".to_owned());
        let text = text.map_err(|error| {
            ConfigError::new(path.clone(), error, "name a file that can be read").of_kind(Unavailable)
        })?;
        Self::from_toml(&text).map_err(|error| {
            let mut all = Problems::default();
            for problem in error.problems() {
                let setting = format!("{path}: {}", problem.setting());
                let renamed = ConfigError::new(setting, problem.problem(), problem.remedy());
                all.add(renamed.of_kind(problem.kind()));
            }
            all.into_error()
        })
    }

    /// Reads the environment variables that begin with `JWT_`: the settings of one authority, or `JWT_CONFIG` alone, the path of a
    /// TOML file. A variable that is empty counts as not set.
    ///
    /// # Errors
    /// All mistakes in the variables, and in the files that they name.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (mut variables, mut problems) = (Vec::new(), Problems::default());
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("JWT_") {
                let refused = |_| ConfigError::new(name.clone(), "it is not UTF-8", "write it as UTF-8");
                variables.extend(
                    problems.take(value.into_string().map_err(refused)).map(|value| (name.clone(), value)),
                );
            }
        }
        match (Self::from_variables(variables), problems.into_result()) {
            (config, Ok(())) => config,
            (Ok(_), Err(error)) => Err(error),
            (Err(others), Err(error)) => {
                let mut all = Problems::default();
                all.add(error);
                all.add_unless_told(&others);
                Err(all.into_error())
            }
        }
    }

    /// Reads these variables as [`Config::from_env`] does. Names that do not begin with `JWT_` are passed over.
    ///
    /// # Errors
    /// As for [`Config::from_env`].
    pub fn from_variables<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError> {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut variables: Vec<(String, String)> =
            variables.filter(|(name, value)| name.starts_with("JWT_") && !value.is_empty()).collect();
        variables.sort();
        if let Some((_, path)) = variables.iter().find(|(name, _)| name == CONFIG) {
            let mut problems = Problems::default();
            for (name, _) in variables.iter().filter(|(name, _)| name != CONFIG) {
                let problem = format!("{CONFIG} is set, and the settings are in its file");
                let error = ConfigError::new(name.clone(), problem, "leave out one of the two");
                problems.add(error.of_kind(Conflict));
            }
            let config = problems.take(Self::from_file(path));
            problems.into_result()?;
            return config.ok_or_else(ConfigError::no_backend);
        }
        let (mut names, mut problems) = (Names::default(), Problems::default());
        let tree = tree(&variables, &mut names, &mut problems);
        Self::read(tree, names, problems)
    }

    /// The JSON schema of the file, for editors. Each property has its description and the name of its variable
    /// (`x-environment`).
    #[must_use]
    pub fn json_schema() -> String {
        schema::json()
    }

    fn read(mut tree: Table, names: Names, mut problems: Problems) -> Result<Self, ConfigError> {
        let settings = reader::read(&mut tree, &names, &mut problems);
        check(&settings, &names, &mut problems);
        problems.into_result()?;
        Ok(Self { settings, names })
    }

    fn authorities(&self) -> impl Iterator<Item = AuthorityConfig<'_>> {
        let names = &self.names;
        let all = self.settings.authorities.iter().enumerate();
        all.map(move |(index, settings)| AuthorityConfig { settings, index, names })
    }

    /// A builder with the authorities, the limits and the cache. Files are read anew. Add a clock or checks of your own to it.
    ///
    /// # Errors
    /// If a file that a setting names cannot be used any more.
    pub fn verifier_builder<C: ClaimsType>(&self) -> Result<VerifierBuilder<C>, ConfigError> {
        let mut problems = Problems::default();
        let mut builder = Verifier::<C>::builder().limits(layer::limits(&self.settings.limits));
        for authority in self.authorities() {
            authority.warn_of_skipped_keys();
            builder = builder.authorities(problems.take(authority.authority()));
        }
        problems.into_result()?;
        Ok(match &self.settings.cache {
            Some(settings) => builder.cache(layer::cache(settings)),
            None => builder,
        })
    }

    /// A layer with the settings of the table `layer`. It does not hold `require` and `routes`: [`Config::policies`] does, and
    /// [`ReloadableLayer`](crate::ReloadableLayer) is both.
    ///
    /// # Errors
    /// None that reading the configuration has not told.
    pub fn layer<C>(&self, verifier: Verifier<C>) -> Result<JwtAuthLayer<C>, ConfigError> {
        layer::layer(&self.settings.layer, &self.names, verifier)
    }

    /// The policies of `require` and `routes`, as a layer. Put it around a whole service, where it sees the whole path, and put
    /// the [`Config::layer`] around it.
    ///
    /// If any route is listed, a path that servers could read in two ways, such as `//admin` or `/admin%2Fx`, is refused. For one
    /// with an escaped letter or a final slash, the policies of both readings must be satisfied.
    ///
    /// # Errors
    /// None that reading the configuration has not told.
    pub fn policies(&self) -> Result<RequireRoutes, ConfigError> {
        layer::policies(&self.settings, &self.names)
    }

    /// Whether more than the token decides: the path and method of a request, for `routes`, or the method and origin, for a token
    /// in a cookie. A service that is asked by a proxy must then be told what the proxy was asked.
    #[must_use]
    pub fn judges_requests(&self) -> bool {
        let mut places = self.settings.layer.token_from.iter().flatten();
        !self.settings.routes.is_empty() || places.any(|place| place.starts_with("cookie:"))
    }

    /// The headers that the inner service gets, each with its claim.
    pub fn claim_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.layer.claim_headers.iter().map(|(header, claim)| (header.as_str(), claim.as_str()))
    }
}
