//! The configuration, read and found good.

use std::path::Path;

use toml::Table;

use super::environment::{CONFIG, tree};
use super::make::{self, Making};
use super::names::Names;
use super::settings::Settings;
use super::{reader, schema};
use crate::authorize::Require;
use crate::error::ConfigProblemKind::{Conflict, Unavailable};
use crate::error::{ConfigError, Problems};
use crate::jose::Claims;
use crate::keys::Secret;
use crate::layer::JwtAuthLayer;
use crate::verify::{Authority, ClaimsType, TokenCache, Verifier, VerifierBuilder};

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
/// let (layer, policy) = (config.layer(verifier)?, config.require());
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
        let path = path.as_ref().display();
        let text = std::fs::read_to_string(path.to_string()).map_err(|error| {
            ConfigError::new(path.to_string(), error.to_string(), "name a file that can be read")
                .of_kind(Unavailable)
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
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("JWT_") {
                let refused = |_| ConfigError::new(name.clone(), "it is not UTF-8", "write it as UTF-8");
                variables.push((name.clone(), value.into_string().map_err(refused)?));
            }
        }
        Self::from_variables(variables)
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
        let config = Self { settings, names };
        config.check(&mut problems);
        problems.into_result()?;
        Ok(config)
    }

    fn check(&self, problems: &mut Problems) {
        let mut good = Vec::new();
        for making in self.makings() {
            let Some(authority) = problems.take(making.authority()) else { continue };
            let keys = making.keys();
            let tried = Verifier::<Claims>::new(authority).map_err(|error| making.renamed(&error, keys));
            if problems.take(tried).is_some() {
                good.extend(making.authority().ok());
            }
        }
        let s = &self.settings;
        if s.authorities.is_empty() {
            let remedy = "add a table [[authorities]]";
            problems.add(ConfigError::new("authorities", "there is none", remedy));
        }
        // Only together they can contradict each other.
        if good.len() > 1 {
            let together = Verifier::<Claims>::builder().authorities(good).build();
            problems.take(together.map_err(|error| self.under("authorities", &error)));
        }
        if let Err(error) = make::limits(&s.limits).check() {
            for problem in error.problems() {
                problems.add(self.names.rename(problem, &format!("limits.{}", problem.setting())));
            }
        }
        if let (Some(cache), Ok(secret)) = (self.cache(), Secret::generate()) {
            let any = Authority::hs256(secret).any_issuer().any_audience();
            let tried = Verifier::<Claims>::builder().authority(any).cache(cache).build();
            problems.take(tried.map_err(|error| self.under("cache", &error)));
        }
        if let Ok(secret) = Secret::generate()
            && let Ok(verifier) =
                Verifier::<Claims>::new(Authority::hs256(secret).any_issuer().any_audience())
        {
            problems.take(self.layer(verifier));
        }
        for (key, words) in [("scopes", &s.require.scopes), ("roles", &s.require.roles)] {
            for (index, word) in words.iter().enumerate() {
                let good = match key {
                    "scopes" => word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'),
                    _ => true,
                };
                if word.is_empty() || !good {
                    let name = self.names.of(&format!("require.{key}[{index}]"));
                    problems.add(ConfigError::new(
                        name,
                        format!("{word:?} cannot be used"),
                        "use a word without spaces, quotes and backslashes",
                    ));
                }
            }
        }
    }

    fn under(&self, path: &str, error: &ConfigError) -> ConfigError {
        let mut all = Problems::default();
        error.problems().iter().for_each(|problem| all.add(self.names.rename(problem, path)));
        all.into_error()
    }

    fn makings(&self) -> impl Iterator<Item = Making<'_>> {
        let names = &self.names;
        self.settings.authorities.iter().enumerate().map(move |(index, settings)| Making {
            settings,
            index,
            names,
        })
    }

    fn cache(&self) -> Option<TokenCache> {
        let settings = self.settings.cache.as_ref()?;
        let mut cache = TokenCache::new();
        if let Some(entries) = settings.entries {
            cache = cache.entries(entries);
        }
        Some(match settings.bytes {
            Some(bytes) => cache.bytes(bytes),
            None => cache,
        })
    }

    /// A builder with the authorities, the limits and the cache; files are read anew. Add a clock or checks of your own to it.
    ///
    /// # Errors
    /// If a file that a setting names cannot be used any more.
    pub fn verifier_builder<C: ClaimsType>(&self) -> Result<VerifierBuilder<C>, ConfigError> {
        let mut problems = Problems::default();
        let mut builder = Verifier::<C>::builder().limits(make::limits(&self.settings.limits));
        for making in self.makings() {
            builder = builder.authorities(problems.take(making.authority()));
        }
        problems.into_result()?;
        Ok(match self.cache() {
            Some(cache) => builder.cache(cache),
            None => builder,
        })
    }

    /// A layer with the settings of the table `layer`.
    ///
    /// # Errors
    /// None, for they were checked when they were read.
    pub fn layer<C>(&self, verifier: Verifier<C>) -> Result<JwtAuthLayer<C>, ConfigError> {
        make::layer(&self.settings.layer, &self.names, verifier)
    }

    /// The policy of the table `require`: every scope and every role there, or any verified token if there are none.
    pub fn require(&self) -> Require {
        let settings = &self.settings.require;
        let scopes = settings.scopes.iter().map(Require::scope);
        let all: Vec<_> = scopes.chain(settings.roles.iter().map(Require::role)).collect();
        if all.is_empty() { Require::authenticated() } else { Require::all(all) }
    }

    /// The headers that the inner service gets, each with its claim.
    pub fn claim_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.layer.claim_headers.iter().map(|(header, claim)| (header.as_str(), claim.as_str()))
    }
}
