//! The real face of a scripted provider: HTTP on loopback, one request a connection.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::fault::{Delivery, Reply};
use super::script::Script;

/// Ends the server, and every connection of it, when it is dropped.
#[derive(Debug)]
pub(super) struct Server(AbortHandle);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn start(listener: TcpListener, script: Arc<Script>) -> Server {
    let accepting = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            // A client that goes away is its own affair.
            connections.spawn(async move { serve(stream, &script).await.ok() });
            while connections.try_join_next().is_some() {}
        }
    });
    Server(accepting.abort_handle())
}

async fn serve(mut stream: TcpStream, script: &Script) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < 16 * 1024 => head.push(byte),
            _ => return Ok(()),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let Reply { status, headers, body, manner } = script.call(path).await;
    match manner {
        Delivery::HangUp => return Ok(()),
        // Until the client gives up.
        Delivery::Never => return stream.read_u8().await.map(drop),
        Delivery::Whole | Delivery::Drip(_) | Delivery::Half => (),
    }
    let mut answer = format!(
        "HTTP/1.1 {} Answer\r\nconnection: close\r\ncontent-length: {}\r\n",
        status.as_u16(),
        body.len()
    )
    .into_bytes();
    for (name, value) in &headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    stream.write_all(&answer).await?;
    match manner {
        Delivery::Drip(pause) => {
            for byte in body {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await?;
            }
        }
        Delivery::Half => stream.write_all(&body.slice(..body.len() / 2)).await?,
        _ => stream.write_all(&body).await?,
    }
    stream.shutdown().await
}
