use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower_jwt_auth::{TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/websocket.rs"]
mod example;

async fn served() -> (TestIssuer, String) {
    let issuer = TestIssuer::new("https://id.example.com").audience("chat");
    let app = example::app(Verifier::new(issuer.authority()).unwrap()).unwrap();
    (issuer, crate::serve(app).await)
}

fn handshake(address: &str, protocols: &str) -> Request {
    let mut request = format!("ws://{address}/chat").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    request
}

fn offer(token: &str) -> String {
    format!("{}{}", example::PREFIX, data_encoding::BASE64URL_NOPAD.encode(token.as_bytes()))
}

#[tokio::test]
async fn a_token_gets_in_and_is_closed_when_it_expires() {
    let (issuer, address) = served().await;
    let offer = offer(&issuer.sign(json!({ "sub": "bob" })));
    let (mut socket, answer) = connect_async(handshake(&address, &format!("{offer}, chat"))).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("bob: hello"));

    // The server runs in this same runtime, so its timer fires now.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let closed =
        CloseFrame { code: example::TOKEN_ENDED.into(), reason: "the access token has ended".into() };
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Close(Some(closed)));
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let (issuer, address) = served().await;
    let stranger = TestIssuer::new("https://id.example.com").audience("chat");
    let expired = offer(&issuer.sign(json!({ "sub": "bob", "exp": 1_700_000_000 })));
    let forged = offer(&stranger.sign(json!({ "sub": "bob" })));
    let alone = offer(&issuer.sign(json!({ "sub": "bob" })));
    let cases = [
        ("chat".to_owned(), 401),
        (format!("{expired}, chat"), 401),
        (format!("{forged}, chat"), 401),
        // Without a real protocol there is none that could be echoed.
        (alone, 400),
    ];
    for (protocols, status) in cases {
        let refused = connect_async(handshake(&address, &protocols)).await.unwrap_err();
        let Error::Http(answer) = refused else { panic!("{protocols}: {refused}") };
        assert_eq!(answer.status(), status, "{protocols}");
    }
}
