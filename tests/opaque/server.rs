//! An introspection endpoint on loopback: a real server of HTTP that says what it is told to, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value;
use tower_jwt_auth::{Authority, Introspection, OpaqueTokens};

/// What the server does with each question.
#[derive(Clone)]
pub(crate) enum Says {
    Body(u16, &'static str, String),
    /// 302, to this URL.
    Redirect(String),
    Nothing,
}

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<Script>>,
}

struct Script {
    says: Says,
    questions: Vec<Question>,
}

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Question {
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The fields of the form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value))
    }
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

impl Server {
    pub(crate) async fn start(says: Says) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(Script { says, questions: Vec::new() }));
        let app = Router::new().fallback(any(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, state }
    }

    pub(crate) async fn json(answer: Value) -> Self {
        Self::start(Says::Body(200, "application/json", answer.to_string())).await
    }

    pub(crate) fn says(&self, says: Says) {
        self.state.lock().unwrap().says = says;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.state.lock().unwrap().questions.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.lock().unwrap().questions.len()
    }

    /// The endpoint, without the authentication of the client.
    pub(crate) fn bare(&self) -> Introspection {
        Introspection::new(self.url()).insecure_http_on_loopback()
    }

    pub(crate) fn endpoint(&self) -> Introspection {
        self.bare().client_secret_basic("orders", "a-secret")
    }

    /// The endpoint of an issuer, with tokens for `api`.
    pub(crate) fn authority(&self) -> Authority {
        authority(self.endpoint())
    }
}

pub(crate) const ISSUER: &str = "https://id.example.com";

pub(crate) fn authority(endpoint: Introspection) -> Authority {
    Authority::introspection(OpaqueTokens::not_jwts(), endpoint).issuer(ISSUER).audience("api")
}

async fn answer(State(state): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: Bytes) -> Response {
    let says = {
        let mut state = state.lock().unwrap();
        state.questions.push(Question { headers, body: String::from_utf8(body.to_vec()).unwrap() });
        state.says.clone()
    };
    match says {
        Says::Body(status, content_type, body) => {
            (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, content_type)], body)
                .into_response()
        }
        Says::Redirect(url) => (StatusCode::FOUND, [(header::LOCATION, url)]).into_response(),
        Says::Nothing => std::future::pending().await,
    }
}
