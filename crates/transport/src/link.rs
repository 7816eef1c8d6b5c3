//! A network cable that can be pulled: a TCP forwarder between members, for tests and the demo.
//!
//! It sees ciphertext only. What it needs to know it takes from the turns that the two sides take:
//! the host's first turn on a connection ends the handshake, and each further turn is one answer.
//! That holds because hosts send no session tickets (`cert::tls`) and HTTP/1.1 answers in order.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A forwarder on a loopback port of its own. It ends when dropped.
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    is_cut: watch::Sender<bool>,
    /// How many answers are still to come through before one is lost; none is lost without it.
    answers_before_loss: Mutex<Option<u64>>,
}

impl Link {
    /// Starts to forward to `target`.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target,
            is_cut: watch::Sender::new(false),
            answers_before_loss: Mutex::new(None),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Where to connect instead of to the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link: open connections break, new ones are closed at once.
    pub fn cut(&self) {
        self.state.is_cut.send_replace(true);
    }

    /// Mends the link.
    pub fn restore(&self) {
        self.state.is_cut.send_replace(false);
    }

    /// Loses one answer: the `k`-th from now on, counted from 1 over all connections. The request
    /// gets through; the answer does not, and its connection breaks.
    pub fn drop_answer(&self, k: u64) {
        *self.state.answers_before_loss() = k.checked_sub(1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl State {
    fn answers_before_loss(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.answers_before_loss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one answer, and says whether it is the one to lose.
    fn is_lost(&self) -> bool {
        let mut left = self.answers_before_loss();
        let is_lost = *left == Some(0);
        *left = left.and_then(|count| count.checked_sub(1));
        is_lost
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward(client, Arc::clone(&state)));
    }
}

/// Forwards one connection until either side ends it, an answer is lost, or the link is cut.
async fn forward(client: TcpStream, state: Arc<State>) {
    let mut is_cut = state.is_cut.subscribe();
    if *is_cut.borrow() {
        return;
    }
    let Ok(host) = TcpStream::connect(state.target).await else { return };
    let _ = (client.set_nodelay(true), host.set_nodelay(true));
    let (client_reads, client_writes) = client.into_split();
    let (host_reads, host_writes) = host.into_split();
    let client_spoke = AtomicBool::new(false);
    tokio::select! {
        _ = requests(client_reads, host_writes, &client_spoke) => {}
        _ = answers(host_reads, client_writes, &client_spoke, &state) => {}
        _ = is_cut.wait_for(|cut| *cut) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    client_spoke: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        client_spoke.store(true, Ordering::SeqCst);
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    client_spoke: &AtomicBool,
    state: &State,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut is_handshake_over = false;
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if client_spoke.swap(false, Ordering::SeqCst) {
            if is_handshake_over && state.is_lost() {
                return Ok(());
            }
            is_handshake_over = true;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

const BUFFER_BYTES: usize = 16 * 1_024;
