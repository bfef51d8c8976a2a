//! The way to a server, which can be made to hang, or be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Failure;

/// Forwards each connection to the server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    hangs: bool,
    /// Connections that were made before the last cut are cut.
    cuts: usize,
}

impl Proxy {
    pub(crate) async fn to(server: String) -> Result<Arc<Self>, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State { hangs: false, cuts: 0 });
        let states = state.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (states, server) = (states.clone(), server.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    let cut = until_cut(states.clone());
                    tokio::select! {
                        () = cut => {}
                        () = forward(from_client, to_server, states.clone()) => {}
                        () = forward(from_server, to_client, states) => {}
                    }
                });
            }
        });
        Ok(Arc::new(Self { address, state }))
    }

    /// What is sent stays on its way, in both directions, until it may go on.
    pub(crate) fn hang(&self, hangs: bool) {
        self.state.send_modify(|state| state.hangs = hangs);
    }

    /// Cuts all connections. New ones may be made.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

async fn until_cut(mut states: watch::Receiver<State>) {
    let cuts = states.borrow().cuts;
    let _ = states.wait_for(|state| state.cuts != cuts).await;
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut states: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        if states.wait_for(|state| !state.hangs).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}
