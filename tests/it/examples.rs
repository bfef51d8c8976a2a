//! Runs each example as the program that a newcomer runs, and checks what it does.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Clock, ProviderFault, TestIssuer, TestProvider};

use crate::greeter::HelloRequest;
use crate::greeter::greeter_client::GreeterClient;
use crate::http_client::{Answer, HttpClient};
use crate::support::World;
use crate::tls::{Documents, PrivateCa};

const INVALID: &str =
    "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The access token is invalid\"";

/// The example's program, with nothing of our environment that would configure it.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program: PathBuf = target.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is not there; run `cargo test`, which builds the examples",
        program.display()
    );
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("JWT_") {
            command.env_remove(variable);
        }
    }
    command.env("PORT", "0").stdin(Stdio::null());
    command
}

/// Runs an example to its end and gives what it printed.
fn output(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// An example that serves, ended when the test is over.
struct Running {
    child: Child,
    /// What it printed up to its address.
    lines: Vec<String>,
    url: String,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self::spawn(command.stderr(Stdio::null()))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, lines: Vec::new(), url: String::new(), stdout };
        while running.url.is_empty() {
            let line = running.line().unwrap_or_else(|| panic!("no address after {:?}", running.lines));
            match line.strip_prefix("listening on ") {
                Some(url) => running.url = url.to_owned(),
                None => running.lines.push(line),
            }
        }
        running
    }

    /// The next line, once it is there; `None` if the program ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.strip_suffix('\n').map(|line| line.trim_end_matches('\r').to_owned())
    }

    fn curl_lines(&self) -> Vec<&str> {
        self.lines.iter().map(String::as_str).filter(|line| line.starts_with("curl ")).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what `curl -i URL -H 'NAME: VALUE'` does.
async fn curl(line: &str) -> Answer {
    let words = line.strip_prefix("curl -i ").unwrap_or_else(|| panic!("not understood: {line}"));
    let (url, header) = match words.split_once(" -H '") {
        None => (words, None),
        Some((url, rest)) => (url, Some(rest.strip_suffix('\'').unwrap().split_once(": ").unwrap())),
    };
    HttpClient::http1().get(url, header.as_slice()).await
}

#[tokio::test]
async fn quickstart_answers_its_curl_lines() {
    let quickstart = Running::start(&mut example("quickstart"));
    let [login, good, without, expired, forged, admin, no_admin, public, stranger, greeted] =
        quickstart.curl_lines()[..]
    else {
        panic!("ten lines were expected: {:?}", quickstart.lines);
    };
    let (_, credentials) = login.trim_end_matches('\'').split_once(" -d '").unwrap();
    let post = |credentials: String| {
        let url = format!("{}/login", quickstart.url);
        let json = [("content-type", "application/json")];
        async move { HttpClient::http1().request(Method::POST, &url, &json, credentials.into()).await }
    };
    let logged_in = post(credentials.to_owned()).await;
    assert_eq!(logged_in.header("cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_slice(&logged_in.body).unwrap();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(600)));
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let url = format!("{}/me", quickstart.url);
    let me = HttpClient::http1().get(&url, &[("authorization", &bearer)]).await;
    assert_eq!((me.status.as_u16(), &me.body[..]), (200, &br#"{"name":"Bob","sub":"bob"}"#[..]));
    assert_eq!(post(credentials.replace("sesame", "barley")).await.status, 401);
    let published = HttpClient::http1().get(&format!("{}/.well-known/jwks.json", quickstart.url), &[]).await;
    assert_eq!(published.header("content-type"), Some("application/jwk-set+json"));
    let accepted = curl(good).await;
    assert_eq!(accepted.status, 200);
    let claims: Value = serde_json::from_slice(&accepted.body).unwrap();
    assert_eq!(claims, json!({ "sub": "bob", "name": "Bob" }));
    assert_eq!(curl(without).await.parts(), (401, Some("Bearer realm=\"api\""), ""));
    assert_eq!(curl(expired).await.parts(), (401, Some(INVALID), ""));
    assert_eq!(curl(forged).await.parts(), (401, Some(INVALID), ""));
    assert_eq!(curl(admin).await.parts(), (200, None, "at your service, Alice\n"));
    assert_eq!(curl(no_admin).await.parts(), (403, None, ""));
    let anonymous = without.replace("/me", "/admin");
    assert_eq!(curl(&anonymous).await.parts(), (401, Some("Bearer realm=\"api\""), ""));
    assert_eq!(curl(public).await.parts(), (200, None, "everybody may read this\n"));
    assert_eq!(curl(stranger).await.parts(), (200, None, "hello stranger\n"));
    assert_eq!(curl(greeted).await.parts(), (200, None, "hello Bob\n"));
    let optional_but_expired = expired.replace("/me", "/hello");
    assert_eq!(curl(&optional_but_expired).await.parts(), (401, Some(INVALID), ""));
}

#[tokio::test]
async fn token_endpoints_end_a_token() {
    let server = Running::start(&mut example("token_endpoints"));
    let [login, me, introspect, revoke] = server.curl_lines()[..] else { panic!("{:?}", server.lines) };
    // Does what `curl -i -X POST URL` does, or `curl -i URL -u ID:SECRET -d FORM` with the token in place.
    let post = |line: &str, token: &str| {
        let words: Vec<String> = line.split(' ').map(|word| word.replace("$TOKEN", token)).collect();
        let after =
            |flag: &str| words.iter().position(|word| word == flag).map(|place| words[place + 1].clone());
        let (credentials, form) = (after("-u").unwrap_or_default(), after("-d").unwrap_or_default());
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        let url = words.iter().find(|word| word.starts_with("http")).unwrap().clone();
        async move {
            let media_type = ("content-type", "application/x-www-form-urlencoded");
            let headers = [media_type, ("authorization", &authorization)];
            HttpClient::http1().request(Method::POST, &url, &headers, form.into()).await
        }
    };
    let tokens: Value = serde_json::from_slice(&post(login, "").await.body).unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let me = me.replace('"', "'").replace("$TOKEN", token);
    assert_eq!(curl(&me).await.parts(), (200, None, "hello bob\n"));
    let described: Value = serde_json::from_slice(&post(introspect, token).await.body).unwrap();
    assert_eq!((&described["active"], &described["username"]), (&json!(true), &json!("bob@example.com")));
    assert_eq!(post(revoke, token).await.parts(), (200, None, ""));
    assert_eq!(curl(&me).await.parts(), (401, Some(INVALID), ""));
    assert_eq!(&post(introspect, token).await.body[..], br#"{"active":false}"#);
}

#[tokio::test]
async fn hyper_raw_answers_its_curl_lines() {
    let server = Running::start(&mut example("hyper_raw"));
    let [without, good] = server.curl_lines()[..] else { panic!("{:?}", server.lines) };
    assert_eq!(curl(without).await.parts(), (401, Some("Bearer realm=\"api\""), ""));
    assert_eq!(curl(good).await.parts(), (200, None, "hello bob\n"));
}

#[tokio::test]
async fn one_port_serves_both() {
    let server = Running::start(&mut example("axum_and_grpc_one_port"));
    let [without, good] = server.curl_lines()[..] else { panic!("{:?}", server.lines) };
    assert_eq!(curl(without).await.status, 401);
    assert_eq!(curl(good).await.status, 200);
    let client = HttpClient::http2();
    assert_eq!(client.grpc(&server.url, &[]).await.header("grpc-status"), Some("16"));
    let (_, authorization) = good.trim_end_matches('\'').split_once("Authorization: ").unwrap();
    let answer = client.grpc(&server.url, &[("authorization", authorization)]).await;
    assert_eq!(answer.trailer("grpc-status"), Some("0"), "{answer:?}");
    let unknown = client.get(&format!("{}/unknown", server.url), &[("authorization", authorization)]).await;
    assert_eq!(unknown.status, 404);
}

#[test]
fn tonic_server_shows_two_calls_and_ends() {
    let (success, stdout, stderr) = output(&mut example("tonic_server"));
    assert!(success, "{stderr}");
    let lines: Vec<_> = stdout.lines().skip(1).collect();
    assert_eq!(
        lines,
        ["without a token: Unauthenticated: The request carries no access token", "with a token: Hello, Bob"]
    );
}

#[tokio::test]
async fn tonic_server_serves_on_request() {
    let mut server = Running::start(example("tonic_server").arg("--serve"));
    let authorization = loop {
        let line = server.line().expect("it serves");
        if let Some(value) = line.strip_prefix("authorization: ") {
            break value.to_owned();
        }
    };
    let mut client = GreeterClient::connect(server.url.clone()).await.unwrap();
    let mut request = tonic::Request::new(HelloRequest { greeting: "Good day".to_owned() });
    request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    assert_eq!(client.say_hello(request).await.unwrap().into_inner().message, "Good day, Bob");
}

#[test]
fn several_issuers_keeps_them_apart() {
    let (success, stdout, stderr) = output(&mut example("several_issuers"));
    assert!(success, "{stderr}");
    let expected = [
        "a customer: 200 OK: bob of https://id.example.com",
        "a service: 200 OK: billing of internal",
        "a service that does not say which: 401 Unauthorized: missing_claim",
        "an issuer that nobody configured: 401 Unauthorized: unknown_issuer",
        "a service that signs as the provider: 401 Unauthorized: algorithm_not_allowed",
        "a customer with a service's audience: 401 Unauthorized: wrong_audience",
    ];
    assert!(stdout.lines().eq(expected), "{stdout}");
}

#[test]
fn without_http_takes_one_message_of_three() {
    let (success, stdout, stderr) = output(&mut example("without_http"));
    assert!(success, "{stderr}");
    let expected = [
        "flour: ordered by bakery (pro)",
        "sugar: refused: expired (exp)",
        "yeast: refused: wrong_audience (aud)",
    ];
    assert!(stdout.lines().eq(expected), "{stdout}");
}

// === resource_server ===

/// 32 bytes, and their base64.
const SECRET: &str = "Zt8q1xJ0m3b7Ck5Rv2Ye9Lw6Hp4Nd8Su";
const SECRET_BASE64: &str = "WnQ4cTF4SjBtM2I3Q2s1UnYyWWU5THc2SHA0TmQ4U3U=";

fn resource_server(variables: &[(&str, &str)]) -> Command {
    let mut command = example("resource_server");
    command.env("JWT_ISSUER", "https://id.example.com").env("JWT_AUDIENCE", "api");
    command.envs(variables.iter().copied());
    command
}

fn issuer() -> TestIssuer {
    TestIssuer::new(ISSUER).audience("api")
}

const ISSUER: &str = "https://id.example.com";

/// Tokens for `sub` bob that were signed elsewhere with that secret, without `kid` and good until 2096.
const HS256: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoiYXBpIiwic3ViIjoiYm9iIiwiZXhwIjo0MDAwMDAwMDAwfQ.\
    CxbdjXAZd7z9vdKlo2PtdFLrNF_B7r_RdPbUpB-R9jM";
const HS384: &str = "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoiYXBpIiwic3ViIjoiYm9iIiwiZXhwIjo0MDAwMDAwMDAwfQ.\
    aSAUOn3NGdxO30WDWA4i8Nwuw81zBLnkoZUJN1PAGwz0-kEQXRwNU6TLRThv2hGf";

async fn ask(url: &str, token: &str) -> Answer {
    HttpClient::http1().get(url, &[("authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test]
async fn resource_server_shows_the_claims_on_any_path() {
    let issuer = issuer();
    let server = Running::start(&mut resource_server(&[("JWT_JWKS", &issuer.jwks())]));
    let token =
        issuer.sign(json!({ "sub": "bob", "plan": { "name": "pro" }, "jti": "1", "iat": 1_700_000_000 }));
    for path in ["", "/", "/auth", "/a/b?c=d"] {
        let answer = ask(&format!("{}{path}", server.url), &token).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
        let mut claims: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(claims["exp"].take().is_u64());
        let expected = json!({
            "iss": "https://id.example.com", "aud": "api", "sub": "bob", "exp": null,
            "iat": 1_700_000_000, "jti": "1", "plan": { "name": "pro" },
        });
        assert_eq!(claims, expected);
    }
    let stranger = TestIssuer::new("https://id.example.com").audience("api");
    assert_eq!(ask(&server.url, &stranger.sign(json!({}))).await.parts(), (401, Some(INVALID), ""));
}

/// Behind a proxy that asks for permission, everything but a good token has to be a 401.
#[tokio::test]
async fn resource_server_never_says_yes_by_mistake() {
    let server = Running::start(&mut resource_server(&[("JWT_JWKS", &issuer().jwks())]));
    let url = server.url.as_str();
    let (http1, http2) = (HttpClient::http1(), HttpClient::http2());
    for client in [&http1, &http2] {
        assert_eq!(client.get(url, &[]).await.status, 401);
        let malformed = client.get(url, &[("authorization", "Bearer a b")]).await;
        assert_eq!(malformed.status, 401, "and not 400");
        assert!(malformed.header("www-authenticate").unwrap().contains("invalid_request"));
        let two = [("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")];
        assert_eq!(client.get(url, &two).await.status, 401);
        assert_eq!(client.get(url, &[("content-type", "application/grpc")]).await.status, 401);
        let grpc = client.grpc(url, &[]).await;
        assert_eq!((grpc.status.as_u16(), grpc.header("grpc-status")), (401, None));
    }
}

#[tokio::test]
async fn resource_server_takes_a_key_file() {
    let issuer = TestIssuer::with_algorithm("https://id.example.com", Algorithm::EdDSA).audience("api");
    let path = std::env::temp_dir().join(format!("tower-jwt-auth-{}-{}", std::process::id(), issuer.kid()));
    std::fs::write(&path, issuer.jwks()).unwrap();
    let server = Running::start(&mut resource_server(&[("JWT_JWKS", path.to_str().unwrap())]));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ask(&server.url, &issuer.sign(json!({ "sub": "bob" }))).await.status, 200);
}

#[tokio::test]
async fn resource_server_takes_a_secret_in_four_ways() {
    let raw = format!("raw:{SECRET}");
    let hexadecimal: String = SECRET.bytes().map(|byte| format!("{byte:02X}")).collect();
    let hexadecimal = format!("hex:{hexadecimal}");
    let jwks = json!({ "keys": [{ "kty": "oct", "k": SECRET_BASE64.trim_end_matches('=') }] }).to_string();
    let tampered = HS256.replacen("eyJpc3Mi", "eyJpc3Nz", 1);
    assert_ne!(tampered, HS256);
    let secrets = [SECRET_BASE64, &raw, &hexadecimal].map(|secret| ("JWT_SECRET", secret));
    for variable in secrets.into_iter().chain([("JWT_JWKS", &*jwks)]) {
        let server = Running::start(&mut resource_server(&[variable]));
        assert_eq!(ask(&server.url, HS256).await.status, 200, "{variable:?}");
        assert_eq!(ask(&server.url, HS384).await.status, 401, "HS256 is the default of a secret");
        assert_eq!(ask(&server.url, &tampered).await.status, 401, "{variable:?}");
    }
}

#[tokio::test]
async fn resource_server_obeys_algorithms() {
    let keys = TestIssuer::with_algorithm("https://id.example.com", Algorithm::RS256).audience("api");
    for (algorithms, status) in [("RS256", 200), ("ES256, RS256", 200), ("RS384,PS256", 401)] {
        // Without the `alg` of the key it is the list alone that decides.
        let jwks = keys.jwks().replace("\"alg\":\"RS256\",", "");
        let variables = [("JWT_JWKS", &*jwks), ("JWT_ALGORITHMS", algorithms)];
        let server = Running::start(&mut resource_server(&variables));
        assert_eq!(ask(&server.url, &keys.sign(json!({}))).await.status, status, "{algorithms}");
    }
}

#[tokio::test]
async fn resource_server_obeys_the_leeway() {
    let now = Clock::now(&World::new().clock).as_secs();
    // Far from each bound, however slow the machine.
    for (leeway, expired_for, status) in [("300", 100, 200), ("300", 1000, 401), ("0", 10, 401)] {
        let issuer = issuer();
        let token = issuer.sign(json!({ "exp": now - expired_for, "iat": null }));
        let variables = [("JWT_JWKS", &*issuer.jwks()), ("JWT_LEEWAY", leeway)];
        let server = Running::start(&mut resource_server(&variables));
        assert_eq!(ask(&server.url, &token).await.status, status, "{leeway} {expired_for}");
    }
}

#[tokio::test]
async fn resource_server_fetches_its_keys() {
    let provider = TestProvider::on_loopback().await;
    let (issuer, jwks) = (provider.issuer().to_owned(), provider.jwks_url());
    for variables in [
        &[("JWT_JWKS_URL", &*jwks), ("JWT_ISSUER", &*issuer)][..],
        &[("JWT_OIDC_ISSUER", &*issuer), ("JWT_ISSUER", &*issuer)],
        &[("JWT_OIDC_ISSUER", &*issuer), ("JWT_ISSUER", "")],
    ] {
        let variables = [variables, &[("JWT_ALLOW_HTTP", "1"), ("JWT_AUDIENCE", "test")]].concat();
        let calls = provider.jwks_calls();
        let server = Running::start(&mut resource_server(&variables));
        assert_eq!(provider.jwks_calls(), calls, "it starts without the provider");
        assert_eq!(ask(&server.url, &provider.sign(json!({ "sub": "bob" }))).await.status, 200);
        let stranger = TestIssuer::new(issuer.as_str()).sign(json!({}));
        assert_eq!(ask(&server.url, &stranger).await.status, 401);
        assert_eq!(provider.jwks_calls(), calls + 1);
    }
    provider.fails_with(ProviderFault::Status(500));
    let variables = [
        ("JWT_OIDC_ISSUER", &*issuer),
        ("JWT_ISSUER", ""),
        ("JWT_ALLOW_HTTP", "1"),
        ("JWT_AUDIENCE", "test"),
    ];
    let server = Running::start(&mut resource_server(&variables));
    let answer = ask(&server.url, &provider.sign(json!({}))).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn resource_server_starts_with_kept_keys_while_the_provider_is_down() {
    let provider = TestProvider::on_loopback().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let variables = [
        ("JWT_OIDC_ISSUER", provider.issuer()),
        ("JWT_ISSUER", ""),
        ("JWT_ALLOW_HTTP", "1"),
        ("JWT_AUDIENCE", "test"),
        ("JWT_KEYS_FILE", path.to_str().unwrap()),
    ];
    let server = Running::start(&mut resource_server(&variables));
    // Keys are written after they serve.
    assert_eq!(ask(&server.url, &provider.sign(json!({}))).await.status, 200);
    let kept = async {
        while !path.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), kept).await.unwrap();
    drop(server);
    provider.fails_with(ProviderFault::Status(500));
    let server = Running::start(&mut resource_server(&variables));
    assert_eq!(ask(&server.url, &provider.sign(json!({ "sub": "bob" }))).await.status, 200);
    let stranger = TestIssuer::new(provider.issuer()).sign(json!({}));
    assert_eq!(ask(&server.url, &stranger).await.status, 503, "nobody can be asked whether its key is new");
}

/// Each variable of a private network, with a real server that would refuse without it.
#[tokio::test]
async fn resource_server_reaches_into_a_private_network() {
    let issuer = issuer();
    let token = issuer.sign(json!({ "sub": "bob" }));
    let named = |jwks_uri: &str| json!({ "issuer": ISSUER, "jwks_uri": jwks_uri }).to_string();
    let oidc = [("JWT_OIDC_ISSUER", ISSUER), ("JWT_ISSUER", "")];
    let answer = async |variables: &[(&str, &str)], proxy: Option<&str>| {
        let mut command = resource_server(&[&oidc[..], variables].concat());
        proxy.map(|proxy| command.env("http_proxy", proxy));
        ask(&Running::start(&mut command).url, &token).await.status.as_u16()
    };

    // Another name inside, over plain http. The proxy stands for the name server: it answers for that name.
    let inside = Documents::plain().await;
    let document = "http://keycloak:8080/realms/shop/.well-known/openid-configuration";
    inside.publish(document, named("http://keycloak:8080/certs"));
    inside.publish("http://keycloak:8080/certs", issuer.jwks());
    let variables = [("JWT_DISCOVERY_URL", document), ("JWT_INSECURE_HTTP_HOSTS", "other, keycloak:8080")];
    assert_eq!(answer(&variables, Some(&inside.url)).await, 200);
    assert_eq!(inside.requests().len(), 2);

    // A private authority, a token that rotates, and a jwks_uri that leads nowhere.
    let ca = PrivateCa::new();
    let server = ca.serve(false).await;
    let folder = tempfile::tempdir().unwrap();
    let (ca_file, token_file) = (folder.path().join("ca.pem"), folder.path().join("token"));
    std::fs::write(&ca_file, ca.pem()).unwrap();
    std::fs::write(&token_file, "stale").unwrap();
    let (ca_file, token_path) = (ca_file.to_str().unwrap(), token_file.to_str().unwrap());
    server.publish("/discovery/.well-known/openid-configuration", named("https://127.0.0.1:1/keys"));
    server.publish_for("fresh", "/openid/v1/jwks", issuer.jwks());
    let document = format!("{}/discovery/.well-known/openid-configuration", server.url);
    let keys = format!("{}/openid/v1/jwks", server.url);
    let jwks = ("JWT_JWKS_URL", &*keys);
    assert_eq!(answer(&[("JWT_DISCOVERY_URL", &document), ("JWT_CA_FILE", ca_file)], None).await, 503);
    assert_eq!(answer(&[jwks], None).await, 503);
    assert_eq!(answer(&[jwks, ("JWT_CA_FILE", ca_file)], None).await, 503);
    let all = [jwks, ("JWT_CA_FILE", ca_file), ("JWT_FETCH_TOKEN_FILE", token_path)];
    assert_eq!(answer(&all, None).await, 503);
    std::fs::write(&token_file, "fresh").unwrap();
    assert_eq!(answer(&all, None).await, 200);
}

/// A file with two authorities and a route; it is changed, and read again when the signal comes.
#[cfg(unix)]
#[tokio::test]
async fn resource_server_reads_its_file_again() {
    let (issuer, other) = (issuer(), TestIssuer::new("https://other.example.com").audience("api"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt.toml");
    let authority = |issuer: &TestIssuer, name: &str| {
        format!("[[authorities]]\nissuer = '{name}'\naudience = 'api'\njwks = '''{}'''\n", issuer.jwks())
    };
    let first = authority(&issuer, ISSUER);
    let both = format!("{first}{}", authority(&other, "https://other.example.com"));
    std::fs::write(&path, &both).unwrap();
    let mut command = example("resource_server");
    command.env("JWT_CONFIG", &path).env("ORIGINAL_URI_HEADER", "none").stderr(Stdio::piped());
    let mut server = Running::spawn(&mut command);
    let mut told = BufReader::new(server.child.stderr.take().unwrap());
    let mut reload = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let signalled = Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status();
        assert!(signalled.unwrap().success());
        let mut line = String::new();
        // The log comes before.
        while !line.contains("reloaded") {
            line.clear();
            assert_ne!(told.read_line(&mut line).unwrap(), 0, "it ended");
        }
        line
    };
    let (url, tokens) = (server.url.clone(), [issuer.sign(json!({})), other.sign(json!({}))]);
    let answers = async |path: &str| {
        let url = format!("{url}{path}");
        [ask(&url, &tokens[0]).await.status.as_u16(), ask(&url, &tokens[1]).await.status.as_u16()]
    };
    assert_eq!(answers("/admin").await, [200, 200]);
    assert_eq!(reload(&format!("{first}[[routes]]\npath = '/admin'\nscopes = ['admin']")), "reloaded\n");
    assert_eq!((answers("/").await, answers("/admin").await), ([200, 401], [403, 401]));
    let refused = reload(&format!("{both}leewya = 3"));
    assert!(
        refused.contains("authorities[1].leewya") && refused.contains("did you mean leeway?"),
        "{refused}"
    );
    assert_eq!(answers("/").await, [200, 401]);
    assert_eq!(reload(&both), "reloaded\n");
    assert_eq!(answers("/admin").await, [200, 200]);
}

/// A proxy asks at one path about all of them, and says in headers which one was meant.
#[tokio::test]
async fn resource_server_judges_what_the_proxy_was_asked() {
    let issuer = issuer();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt.toml");
    let file = format!(
        "[[authorities]]\nissuer = '{ISSUER}'\naudience = 'api'\njwks = '''{}'''\n[layer]\noptional = true\n\
         [[routes]]\npath = '/admin/{{*rest}}'\nmethods = ['GET']\nscopes = ['admin']",
        issuer.jwks()
    );
    std::fs::write(&path, file).unwrap();
    let mut command = example("resource_server");
    command.env("JWT_CONFIG", &path);
    let (success, _, stderr) = output(&mut command);
    assert!(!success && stderr.contains("ORIGINAL_URI_HEADER is not set"), "{stderr}");
    let cookies = [("JWT_JWKS", &*issuer.jwks()), ("JWT_TOKEN_FROM", "cookie:session")];
    let (success, _, stderr) = output(&mut resource_server(&cookies));
    assert!(!success && stderr.contains("ORIGINAL_URI_HEADER is not set"), "{stderr}");
    command.env("ORIGINAL_URI_HEADER", "x-original-uri");
    let (success, _, stderr) = output(&mut command);
    assert!(!success && stderr.contains("go together"), "{stderr}");
    let server = Running::start(command.env("ORIGINAL_METHOD_HEADER", "x-original-method"));
    let token = |scope: &str| format!("Bearer {}", issuer.sign(json!({ "scope": scope })));
    let (admin, other) = (token("admin"), token("other"));
    let ask = async |uri: &str, method: &str, token: &str| {
        let headers = [("authorization", token), ("x-original-uri", uri), ("x-original-method", method)];
        let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        HttpClient::http1().get(&format!("{}/auth", server.url), &headers).await.status.as_u16()
    };
    for (uri, method, token, expected) in [
        ("/admin/users?a=b", "GET", &admin, 200),
        ("/admin/users", "GET", &other, 403),
        ("/admin/users", "POST", &admin, 403),
        ("/%61dmin", "GET", &other, 403),
        ("/orders", "POST", &other, 200),
        // Nobody knows what was asked.
        ("", "GET", &admin, 403),
        ("/orders", "", &admin, 403),
        ("orders", "GET", &admin, 403),
        ("*", "GET", &admin, 403),
        ("/orders#/../admin", "GET", &other, 403),
    ] {
        assert_eq!(ask(uri, method, token).await, expected, "{method} {uri}");
    }
    assert_eq!((ask("/orders", "GET", "").await, ask("/admin", "GET", "").await), (200, 401));
    let twice = [
        ("authorization", &*admin),
        ("x-original-uri", "/orders"),
        ("x-original-uri", "/admin"),
        ("x-original-method", "GET"),
    ];
    assert_eq!(HttpClient::http1().get(&server.url, &twice).await.status, 403);
}

/// A request that waits for keys is answered by the configuration that judges it: no header of the client comes back.
#[cfg(unix)]
#[tokio::test]
async fn resource_server_reflects_no_header_across_a_reload() {
    let issuer = issuer();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt.toml");
    let file = |rest: &str| {
        format!(
            "[[authorities]]\nissuer = '{ISSUER}'\naudience = 'api'\njwks = '''{}'''\n{rest}",
            issuer.jwks()
        )
    };
    let (without, with_header) = (file(""), file("[layer]\nclaim_headers = { x-user = 'sub' }"));
    std::fs::write(&path, &without).unwrap();
    let server = Running::start(example("resource_server").env("JWT_CONFIG", &path));
    let token = format!("Bearer {}", issuer.sign(json!({ "sub": "bob" })));
    let headers = [("authorization", &*token), ("x-user", "root")];
    let hang_up = || {
        let signalled = Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status();
        assert!(signalled.unwrap().success());
    };
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..40 {
        std::fs::write(&path, if round % 2 == 0 { &with_header } else { &without }).unwrap();
        hang_up();
        for _ in 0..10 {
            let answer = HttpClient::http1().get(&server.url, &headers).await;
            assert_eq!(answer.status, 200);
            seen.insert(answer.header("x-user").map(str::to_owned));
        }
    }
    assert!(!seen.contains(&Some("root".to_owned())), "{seen:?}");
    assert!(seen.contains(&Some("bob".to_owned())), "{seen:?}");
}

#[tokio::test]
async fn oidc_greets_who_the_provider_knows() {
    let provider = TestProvider::on_loopback().await;
    let mut command = example("oidc");
    command.env("ISSUER", provider.issuer()).env("INSECURE_HTTP_ON_LOOPBACK", "1");
    let server = Running::start(&mut command);
    let token = provider.sign(json!({ "sub": "bob", "aud": "api" }));
    assert_eq!(ask(&server.url, &token).await.parts(), (200, None, "Hello, bob!\n"));
    assert_eq!(
        ask(&server.url, &provider.sign(json!({ "sub": "bob" }))).await.status,
        401,
        "for another API"
    );
    assert_eq!((provider.discovery_calls(), provider.jwks_calls()), (1, 1));

    for (issuer, http, words) in
        [(provider.issuer(), "0", "is not https"), ("http://id.example.com", "1", "use https")]
    {
        let mut command = example("oidc");
        let (success, _, stderr) =
            output(command.env("ISSUER", issuer).env("INSECURE_HTTP_ON_LOOPBACK", http));
        assert!(!success && stderr.contains(words), "{stderr}");
    }
}

#[tokio::test]
async fn logout_obeys_the_provider() {
    let provider = TestProvider::on_loopback().await;
    let mut command = example("logout");
    command.env("ISSUER", provider.issuer()).env("INSECURE_HTTP_ON_LOOPBACK", "1").env("CLIENT_ID", "shop");
    let credential = "Bearer 0123456789abcdef0123456789abcdef";
    let server = Running::start(command.env("EVENTS_AUTHORIZATION", credential).env_remove("BY_SUBJECT"));
    let token = |sid: &str| provider.sign(json!({ "sub": "bob", "sid": sid, "aud": "api" }));
    let (one, two) = (token("1"), token("2"));
    assert_eq!(ask(&server.url, &one).await.parts(), (200, None, "Hello, bob!\n"));

    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let logout = json!({ "sub": "bob", "sid": "1", "aud": "shop", "events": event });
    let logout = format!("logout_token={}", provider.sign_with(json!({ "typ": "logout+jwt" }), logout));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/backchannel-logout", server.url);
    let answer = HttpClient::http1().request(Method::POST, &url, &form, logout.into()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(ask(&server.url, &one).await.status, 401);
    assert_eq!(ask(&server.url, &two).await.status, 200);

    let events = json!({ "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {} });
    let subject = json!({ "format": "iss_sub", "iss": provider.issuer(), "sub": "bob" });
    let event = json!({ "aud": "api-events", "exp": null, "sub_id": subject, "events": events });
    let event = provider.sign_with(json!({ "typ": "secevent+jwt" }), event);
    let headers = [("content-type", "application/secevent+jwt"), ("authorization", credential)];
    let url = format!("{}/security-events", server.url);
    let answer = HttpClient::http1().request(Method::POST, &url, &headers, event.into()).await;
    assert_eq!(answer.status, 202);
    assert_eq!(ask(&server.url, &two).await.status, 401);
}

#[test]
fn resource_server_says_what_is_missing_and_how_to_mend_it() {
    let jwks = issuer().jwks();
    let mixed = format!(
        "{{\"keys\":[{{\"kty\":\"oct\",\"k\":\"{}\"}},{}",
        SECRET_BASE64.trim_end_matches('='),
        jwks.strip_prefix("{\"keys\":[").unwrap()
    );
    let jwks = ("JWT_JWKS", jwks.as_str());
    type Variables<'v> = &'v [(&'v str, &'v str)];
    let cases: &[(Variables<'_>, &[&str])] = &[
        (&[jwks, ("JWT_ISSUER", "")], &["JWT_ISSUER: it is not set", "iss"]),
        (&[jwks, ("JWT_AUDIENCE", "")], &["JWT_AUDIENCE: it is not set", "aud"]),
        (&[], &["no keys are given", "give one of JWT_SECRET", "JWT_OIDC_ISSUER"]),
        (&[jwks, ("JWT_SECRET", SECRET_BASE64)], &["both JWT_SECRET and JWT_JWKS", "keep one"]),
        (
            &[jwks, ("JWT_JWKS_URL", "https://id.example.com")],
            &["both JWT_JWKS and JWT_JWKS_URL", "keep one"],
        ),
        (&[("JWT_OIDC_ISSUER", "https://other.example.com")], &["JWT_ISSUER and JWT_OIDC_ISSUER differ"]),
        (
            &[("JWT_JWKS_URL", "http://id.example.com"), ("JWT_ALLOW_HTTP", "1")],
            &["JWT_JWKS_URL", "use https"],
        ),
        (
            &[("JWT_JWKS_URL", "http://127.0.0.1"), ("JWT_ALLOW_HTTP", "0")],
            &["JWT_JWKS_URL", "is not https", "set JWT_ALLOW_HTTP"],
        ),
        (
            &[jwks, ("JWT_KEYS_FILE", "/nowhere/keys.json")],
            &["JWT_KEYS_FILE", "JWT_JWKS is set", "leave it out"],
        ),
        (&[("JWT_SECRET", "hunter2")], &["JWT_SECRET", "openssl rand"]),
        (&[("JWT_SECRET", "raw:hunter2")], &["JWT_SECRET", "7 bytes", "openssl rand"]),
        (&[("JWT_SECRET", SECRET_BASE64), ("JWT_ALGORITHMS", "HS512")], &["JWT_SECRET", "HS512"]),
        (&[("JWT_SECRET", SECRET_BASE64), ("JWT_ALGORITHMS", "RS256")], &["JWT_SECRET", "RS256"]),
        (&[jwks, ("JWT_ALGORITHMS", "ES256,none")], &["JWT_ALGORITHMS", "none", "give one of"]),
        (
            &[("JWT_JWKS_URL", "https://id.example.com"), ("JWT_KEYS_MAX_AGE", "soon")],
            &["JWT_KEYS_MAX_AGE", "soon"],
        ),
        (
            &[("JWT_JWKS_URL", "https://id.example.com"), ("JWT_KEYS_MAX_AGE", "0")],
            &["JWT_KEYS_MAX_AGE", "use 1 to 86400 seconds"],
        ),
        (
            &[jwks, ("JWT_CA_FILE", "/nowhere/ca.pem")],
            &["JWT_CA_FILE: it is for keys that are fetched", "JWT_JWKS is set", "leave it out"],
        ),
        (
            &[("JWT_JWKS_URL", "https://id.example.com"), ("JWT_CA_FILE", "/nowhere/ca.pem")],
            &["JWT_CA_FILE", "/nowhere/ca.pem"],
        ),
        (
            &[("JWT_JWKS_URL", "https://id.example.com"), ("JWT_DISCOVERY_URL", "https://id.internal")],
            &["JWT_DISCOVERY_URL", "JWT_JWKS_URL is set", "keep one"],
        ),
        (
            &[("JWT_JWKS_URL", "http://keycloak:8080/certs")],
            &["is not https", "let JWT_INSECURE_HTTP_HOSTS name \"keycloak:8080\""],
        ),
        (&[jwks, ("JWT_LEEWAY", "soon")], &["JWT_LEEWAY", "soon"]),
        (&[jwks, ("JWT_LEEWEY", "3")], &["JWT_LEEWEY", "did you mean JWT_LEEWAY?"]),
        (&[jwks, ("JWT_LEEWAY", "301")], &["JWT_LEEWAY", "at most 300"]),
        (&[jwks, ("PORT", "many")], &["PORT", "many"]),
        (&[("JWT_JWKS", "tests/no-such-keys.json")], &["JWT_JWKS", "tests/no-such-keys.json"]),
        (&[("JWT_JWKS", "{}")], &["JWT_JWKS", "keys"]),
        (&[("JWT_JWKS", &mixed)], &["secret"]),
    ];
    for (variables, words) in cases {
        let (success, stdout, stderr) = output(&mut resource_server(variables));
        assert!(!success && stdout.is_empty(), "{words:?}: {stdout}{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{words:?}: {stderr}");
        assert!(!stderr.contains("hunter2") && !stderr.contains(SECRET_BASE64), "{stderr}");
    }
}
