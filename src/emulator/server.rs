//! The loopback listener: accepts, and carries answers out as they want it.
//!
//! One task a connection, so many at a time. A connection that breaks is nobody
//! else's affair; an accept that fails for want of descriptors is tried again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::control;
use super::sts::{Answer, Sts};
use super::wire::{Broken, Delivery, Reply, Request, Wire};

const CONNECTIONS: usize = 256;
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) sts: Arc<Sts>,
    /// Whether the script may be changed over the wire.
    pub(super) scripted: bool,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

impl Server {
    pub(super) async fn accept(self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let until = self.shutdown.clone();
        until
            .run_until_cancelled_owned(async {
                // The semaphore is never closed, so there is always a permit to wait for.
                while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                    let Some(socket) = accepted(&listener).await else {
                        continue;
                    };
                    let server = self.clone();
                    self.tasks.spawn(async move {
                        let shutdown = server.shutdown.clone();
                        // Nothing is worth waiting for at the end: a hang ends here.
                        shutdown.run_until_cancelled(server.converse(socket)).await;
                        drop(permit);
                    });
                }
            })
            .await;
        self.tasks.close();
    }

    async fn converse(&self, socket: TcpStream) {
        let mut wire = Wire::new(socket);
        loop {
            let (answer, keep_alive) = match wire.request().await {
                Ok(Some(request)) => (self.answer(&request).await, request.keep_alive),
                Ok(None) | Err(Broken::Gone) => return,
                Err(Broken::Malformed(why)) => (Answer::at_once(Reply::text(400, why)), false),
                Err(Broken::TooLarge) => {
                    (Answer::at_once(Reply::text(413, "the request is too large")), false)
                }
            };
            match answer.after {
                Some(Duration::ZERO) => {}
                Some(span) => tokio::time::sleep(span).await,
                None => std::future::pending().await,
            }
            let sent = wire.send(&answer.reply, answer.delivery, keep_alive).await;
            if sent.is_err() || !keep_alive || answer.delivery != Delivery::Whole {
                return;
            }
        }
    }

    async fn answer(&self, request: &Request) -> Answer {
        if self.scripted
            && let Some(reply) = control::answer(&self.sts, request).await
        {
            return Answer::at_once(reply);
        }
        self.sts.answer(request)
    }
}

async fn accepted(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((socket, _)) => {
            // Replies go out in two writes; the second must not wait for an acknowledgement.
            socket.set_nodelay(true).ok();
            Some(socket)
        }
        Err(e) if is_of_one_connection(&e) => None,
        Err(_) => {
            tokio::time::sleep(EXHAUSTED).await;
            None
        }
    }
}

fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
