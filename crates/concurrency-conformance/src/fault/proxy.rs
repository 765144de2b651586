//! Between a client and its server: TCP on loopback, on which a plan is carried out byte by byte.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Backend, Boxed, Error, Outcome, Result,
    clock::{self, BootInstant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use super::{Connect, Fault, Ground, Kind, Place, Strikes};
use crate::Time;

/// A proxy of one client: what the client sends on any of its connections during an operation counts as its requests, one for
/// each piece that arrives.
///
/// It ends with the runtime that it was started in.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
}

impl Proxy {
    /// For the client of this number, in front of this server.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start(client: u32, server: SocketAddr, strikes: Strikes) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(serve(near, server, client, strikes.clone()));
            }
        });
        Ok(Self { port })
    }

    /// Where it listens on this machine.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Opens a client of the server behind this port of this machine.
type Open = dyn Fn(u16) -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync;

/// A backend that talks to a server by TCP, each client through a proxy of its own, in real time.
pub struct Proxied {
    server: SocketAddr,
    open: Arc<Open>,
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Proxied {
    /// In front of this server; `open` connects to it by way of a port of this machine. Give it a short operation timeout, a
    /// few hundred milliseconds: no history is longer than its calls wait.
    pub fn new<F, B>(server: SocketAddr, open: F) -> Self
    where
        F: Fn(u16) -> B + Send + Sync + 'static,
        B: Future<Output = Result<Arc<dyn Backend>>> + Send + 'static,
    {
        Self { server, open: Arc::new(move |port| Box::pin(open(port))) }
    }
}

impl Ground for Proxied {
    fn time(&self) -> Time {
        Time::Real
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Cut, Kind::Delay, Kind::HalfOpen, Kind::Stop, Kind::Hold]
    }

    fn prepare(&self, strikes: &Strikes) -> Connect {
        let (server, open, strikes) = (self.server, Arc::clone(&self.open), strikes.clone());
        Box::new(move |client| {
            let (open, strikes) = (Arc::clone(&open), strikes.clone());
            Box::pin(async move {
                let proxy = Proxy::start(client, server, strikes).await;
                let proxy = proxy.map_err(|error| Error::backend(Outcome::NotApplied, error))?;
                open(proxy.port()).await
            })
        })
    }
}

/// What both directions of a connection share.
#[derive(Debug)]
struct Wire {
    /// What is to happen to the next reply.
    reply: Mutex<Option<Fault>>,
    /// Nothing passes before.
    stopped_until: Mutex<BootInstant>,
    /// What the server says does not come through.
    is_deaf: AtomicBool,
}

/// How a connection ends.
enum End {
    /// On both sides.
    Closed,
    /// On the client's side, while the server gets the rest of a request later.
    Held { rest: Vec<u8>, length: Duration },
}

async fn serve(mut near: TcpStream, server: SocketAddr, client: u32, strikes: Strikes) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    // Without it small pieces wait for each other, which is slow and nothing else.
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let wire = Wire {
        reply: Mutex::default(),
        stopped_until: Mutex::new(BootInstant::now()),
        is_deaf: AtomicBool::new(false),
    };
    let end = {
        let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
        tokio::select! {
            end = requests(from_near, to_far, &wire, client, &strikes) => end,
            end = replies(from_far, to_near, &wire) => end,
        }
    };
    if let End::Held { rest, length } = end {
        drop(near);
        clock::sleep_until(BootInstant::now().after(length)).await;
        if far.write_all(&rest).await.is_ok() {
            // Until the server has read and answered it: a connection that ends earlier may take it along.
            drop(far.read(&mut [0; 1024]).await);
        }
    }
}

/// From the client to the server.
async fn requests(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, wire: &Wire, client: u32, strikes: &Strikes) -> End {
    let mut bytes = vec![0; 1 << 16];
    let mut is_mute = false;
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return End::Closed };
        let piece = &bytes[..read];
        if is_mute {
            continue;
        }
        wire.pass().await;
        let fault = strikes.request(client, false);
        let fault = match fault {
            Some(fault) if fault.place == Place::BeforeRequest => fault,
            other => {
                if other.is_some() {
                    *locked(&wire.reply) = other;
                }
                if to.write_all(piece).await.is_err() {
                    return End::Closed;
                }
                continue;
            }
        };
        let (first, rest) = piece.split_at(usize::from(fault.byte) % read);
        if to.write_all(first).await.is_err() {
            return End::Closed;
        }
        match fault.kind {
            Kind::Cut | Kind::Crash => return End::Closed,
            Kind::Hold => return End::Held { rest: rest.to_vec(), length: fault.length },
            Kind::HalfOpen => {
                wire.is_deaf.store(true, Ordering::Release);
                is_mute = true;
                continue;
            }
            Kind::Stop | Kind::Freeze => wire.stop(fault.length),
            Kind::Delay | Kind::Duplicate => {
                clock::sleep_until(BootInstant::now().after(fault.length)).await;
            }
        }
        wire.pass().await;
        if to.write_all(rest).await.is_err() {
            return End::Closed;
        }
    }
}

/// From the server to the client.
async fn replies(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, wire: &Wire) -> End {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return End::Closed };
        wire.pass().await;
        let fault = locked(&wire.reply).take();
        let (first, rest) = bytes[..read].split_at(match fault {
            None => read,
            Some(Fault { place: Place::DuringReply, byte, .. }) => 1 + usize::from(byte) % read,
            Some(_) => 0,
        });
        if !wire.tell(&mut to, first).await {
            return End::Closed;
        }
        let Some(fault) = fault else { continue };
        match fault.kind {
            Kind::Cut | Kind::Crash | Kind::Hold => return End::Closed,
            Kind::HalfOpen => wire.is_deaf.store(true, Ordering::Release),
            Kind::Stop | Kind::Freeze => wire.stop(fault.length),
            Kind::Delay | Kind::Duplicate => {
                clock::sleep_until(BootInstant::now().after(fault.length)).await;
            }
        }
        wire.pass().await;
        if !wire.tell(&mut to, rest).await {
            return End::Closed;
        }
    }
}

impl Wire {
    /// To the client; whether it is still there.
    async fn tell(&self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> bool {
        self.is_deaf.load(Ordering::Acquire) || to.write_all(bytes).await.is_ok()
    }

    fn stop(&self, length: Duration) {
        *locked(&self.stopped_until) = BootInstant::now().after(length);
    }

    /// Returns when bytes may pass.
    async fn pass(&self) {
        let until = *locked(&self.stopped_until);
        clock::sleep_until(until).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
