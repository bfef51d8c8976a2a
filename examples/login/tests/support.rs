//! Starts the application in a directory of its own, and speaks to it without a network.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use login::App;
use login::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_jwt_auth::TestClock;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const URL: &str = "http://localhost:3000";

/// A running application.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) clock: TestClock,
    pub(crate) address: &'static str,
    router: Router,
    _dir: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Site {
    /// With the user `admin`.
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), TestClock::now()).await
    }

    async fn start_in(dir: TempDir, clock: TestClock) -> Self {
        let config = Config {
            dir: dir.path().join("data"),
            access_lifetime: Duration::from_secs(60),
            ..Config::default()
        };
        let app = App::open(&config, URL, clock.clone()).await.unwrap();
        app.create_admin(PASSWORD.to_owned().into()).await.unwrap();
        let router = app.clone().router().unwrap();
        Self { app, clock, address: "192.0.2.1:5000", router, _dir: dir }
    }

    /// The same data, opened anew by another process, as it were.
    pub(crate) async fn restart(self) -> Self {
        let Self { app, clock, router, _dir: dir, .. } = self;
        drop((app, router));
        Self::start_in(dir, clock).await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer: SocketAddr = self.address.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request with these headers; a body is sent as JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:3000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// A program that posts JSON.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], Some(body)).await
    }

    /// The page that posts JSON with these cookies.
    pub(crate) async fn post_from_page(&self, path: &str, cookies: &str, body: Value) -> Answer {
        let headers = [("cookie", cookies), ("sec-fetch-site", "same-origin"), ("origin", URL)];
        self.ask("POST", path, &headers, Some(body)).await
    }

    /// A program with an access token.
    pub(crate) async fn with_token(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        self.ask(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }

    pub(crate) async fn sign_up(&self, name: &str) {
        let answer = self.post("/api/signup", credentials(name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Access and refresh token of a program.
    pub(crate) async fn log_in(&self, name: &str) -> (String, String) {
        self.post("/api/login", credentials(name)).await.tokens()
    }

    /// The cookies of a browser, as it sends them.
    pub(crate) async fn log_in_from_page(&self, name: &str) -> String {
        let answer = self.post_from_page("/session/login", "", credentials(name)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.cookies().join("; ")
    }
}

pub(crate) fn credentials(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD })
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn tokens(&self) -> (String, String) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let text = |name: &str| self.json()[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// `name=value` of each cookie that is set.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        set.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
    }
}
