//! Where the server is: sockets, with or without TLS, and the login on them.
//!
//! The sockets are opened here and not by the driver: so a refused connection, a failed handshake and a refused login are told
//! apart, the certificates are read once, and which cryptography TLS uses does not hang on what else the program links.

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Error, Outcome, Result, clock::BootInstant, random};
use redis::{
    AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisResult, Value,
    aio::{MultiplexedConnection, SendError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::{
    gathering::{Crowd, Gathering},
    sentinel::Sentinels,
    server,
};
use crate::{
    config::{Place, RedisConfig},
    error,
};

/// Requests that may wait for the driver's task; it takes them all at once.
const QUEUE: usize = 1024;
/// Before sentinels are asked again because the server that they named is no primary, or not there; a random part of it.
const PAUSE: Duration = Duration::from_millis(100);
/// All sentinels together, and the server that they named, may each take this part of the time of an attempt: one that is
/// silent is soon named no more.
const PARTS: u32 = 4;
/// How long a server may take to show that it speaks in another way than it was spoken to.
const PROBE: Duration = Duration::from_secs(1);

/// Runs a connection: it has to be polled for anything to happen, and ends with the connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes what the server sends unasked. Called on the driver's task, so it must not block.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Where the server is.
enum Whereabouts {
    Known(Place),
    /// Sentinels know.
    Asked(Sentinels),
}

/// A server, and a login.
pub(super) struct Target {
    whereabouts: Whereabouts,
    pub(super) db: u16,
    dialler: Dialler,
    login: RedisConnectionInfo,
    /// Where the server was when it was connected to for commands.
    found: watch::Sender<Option<Place>>,
}

impl Target {
    /// # Errors
    /// `InvalidArgument` for a name that no certificate can have, and for a file of certificates that cannot be read.
    pub(super) async fn new(config: &RedisConfig) -> Result<Self> {
        let dialler = Dialler::new(config).await?;
        let whereabouts = match config.sentinel() {
            Some(sentinel) => {
                sentinel.places.iter().try_for_each(|place| dialler.check(place, "sentinels"))?;
                Whereabouts::Asked(Sentinels::new(sentinel))
            }
            None => {
                let host = config.host.clone().unwrap_or_else(|| "localhost".to_owned());
                let place = Place { host, port: config.port.unwrap_or(6379) };
                dialler.check(&place, "host")?;
                Whereabouts::Known(place)
            }
        };
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(password) = &config.password {
            login = login.set_password(password);
        }
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        Ok(Self { whereabouts, db: config.db.unwrap_or(0), dialler, login, found: watch::Sender::new(None) })
    }

    /// Whether another server may take its place, which may lack what it had acknowledged.
    pub(super) fn fails_over(&self) -> bool {
        matches!(self.whereabouts, Whereabouts::Asked(_))
    }

    /// Tells those who follow that commands go there from now on.
    pub(super) fn is_at(&self, place: Place) {
        self.found.send_if_modified(|found| {
            let is_new = found.as_ref() != Some(&place);
            *found = Some(place);
            is_new
        });
    }

    /// Hears where commands go from now on.
    pub(super) fn follow(&self) -> watch::Receiver<Option<Place>> {
        self.found.subscribe()
    }

    /// Opens a connection and logs in, within `limit`. `accepted` is true while somebody who has accepted the connection is
    /// waited for.
    ///
    /// # Errors
    /// `Unavailable`, `Unauthorized`, `Incompatible`, `Exhausted`: nothing was sent but the login; `InvalidArgument` for a
    /// primary that no sentinel knows.
    pub(super) async fn open(
        &self,
        limit: Duration,
        on_push: Option<OnPush>,
        accepted: &AtomicBool,
    ) -> Result<Dialled> {
        match &self.whereabouts {
            Whereabouts::Known(place) => self.dialler.dial(place, &self.login, limit, on_push, accepted).await,
            Whereabouts::Asked(sentinels) => self.open_primary(sentinels, limit, on_push, accepted).await,
        }
    }

    /// Goes where the sentinels say, and asks them again where no primary is there, as long as there is time for one more attempt.
    async fn open_primary(
        &self,
        sentinels: &Sentinels,
        limit: Duration,
        on_push: Option<OnPush>,
        accepted: &AtomicBool,
    ) -> Result<Dialled> {
        let (part, last) = (limit / PARTS, BootInstant::now().after((limit / 2).saturating_sub(PAUSE)));
        loop {
            let place = sentinels.primary(&self.dialler, part).await?;
            let opening = async {
                let mut dialled = self.dialler.dial(&place, &self.login, part, on_push.clone(), accepted).await?;
                dialled.is_primary().await?;
                Ok(dialled)
            };
            let opened = tokio::time::timeout(part, opening).await;
            let why = match opened.unwrap_or_else(|_| Err(error::timeout(limit, Outcome::NotApplied))) {
                Ok(dialled) => return Ok(dialled),
                Err(why) => why,
            };
            accepted.store(false, Ordering::Release);
            if last.has_passed() || !error::may_pass(&why) {
                return Err(why);
            }
            tokio::time::sleep(PAUSE / 2 + random::up_to(PAUSE / 2)).await;
        }
    }
}

/// A connection on which somebody has logged in.
pub(super) struct Dialled {
    pub(super) connection: MultiplexedConnection,
    pub(super) driver: Driver,
    /// Is to be told what is under way on it.
    pub(super) crowd: Crowd,
    pub(super) place: Place,
}

impl Dialled {
    /// The answer to a command, before anybody else runs the connection.
    pub(super) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = self.connection.send_packed_command(command);
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = &mut self.driver => {}
        }
        // It has ended, and may have brought the answer before. Whoever runs it finds that out again.
        self.driver = Box::pin(std::future::ready(()));
        answer.await
    }

    /// # Errors
    /// `Unavailable` for a replica.
    async fn is_primary(&mut self) -> Result<()> {
        let hello = self.ask(&redis::cmd("HELLO")).await;
        let hello = hello.map_err(|error| error::of_driver(&error, Outcome::NotApplied))?;
        server::check_role(&hello)
    }
}

/// Opens sockets, with or without TLS.
pub(super) struct Dialler {
    tls: Option<Arc<ClientConfig>>,
}

impl Dialler {
    async fn new(config: &RedisConfig) -> Result<Self> {
        let tls = match config.tls.unwrap_or(false) {
            true => Some(Arc::new(trusting(certificates(config.tls_ca_file.as_deref()).await?))),
            false => None,
        };
        Ok(Self { tls })
    }

    /// # Errors
    /// `InvalidArgument` for a name that no certificate can have.
    fn check(&self, place: &Place, option: &'static str) -> Result<()> {
        match ServerName::try_from(place.host.as_str()) {
            Err(_) if self.tls.is_some() => Err(Error::invalid(option, "no certificate can have this name")),
            _ => Ok(()),
        }
    }

    /// Opens a connection and logs in, within `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Unauthorized`, `Incompatible`, `Exhausted`: nothing was sent but the login.
    pub(super) async fn dial(
        &self,
        place: &Place,
        login: &RedisConnectionInfo,
        limit: Duration,
        on_push: Option<OnPush>,
        accepted: &AtomicBool,
    ) -> Result<Dialled> {
        let socket = socket(place).await?;
        accepted.store(true, Ordering::Release);
        let crowd = Crowd::default();
        let Some(tls) = &self.tls else {
            let opened = log_in(Gathering::new(socket, crowd.clone()), login, on_push).await;
            let (connection, driver) = match opened {
                // What hangs up, or answers in no words that we know, may want to be spoken to in another way.
                Err(Error::Unavailable { .. } | Error::Incompatible { .. }) if speaks_tls(place).await => {
                    return Err(error::wants_tls());
                }
                opened => opened?,
            };
            return Ok(Dialled { connection, driver, crowd, place: place.clone() });
        };
        let connector = TlsConnector::from(Arc::clone(tls));
        let name =
            ServerName::try_from(place.host.clone()).map_err(|_| error::no_tls("a name without certificates"))?;
        // A plain server waits for the end of the line that it takes a greeting of TLS for.
        let stream = match tokio::time::timeout(limit / 2, connector.connect(name, socket)).await {
            Ok(stream) => stream.map_err(|error| error::of_handshake(&error))?,
            Err(_) if speaks_plain(place).await => return Err(error::no_tls("a plain connection")),
            Err(_) => return Err(error::timeout(limit, Outcome::NotApplied)),
        };
        let (connection, driver) = log_in(Gathering::new(stream, crowd.clone()), login, on_push).await?;
        Ok(Dialled { connection, driver, crowd, place: place.clone() })
    }
}

async fn socket(place: &Place) -> Result<TcpStream> {
    let socket = TcpStream::connect((place.host.as_str(), place.port)).await;
    let socket = socket.map_err(|error| error::of_socket(&error))?;
    // Off unless asked for: a request would wait for the answer to the one before.
    socket.set_nodelay(true).map_err(|error| error::of_socket(&error))?;
    Ok(socket)
}

async fn log_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    login: &RedisConnectionInfo,
    on_push: Option<OnPush>,
) -> Result<(MultiplexedConnection, Driver)> {
    // Deadlines are ours: of a call, not of a request.
    let mut config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    config = config.set_pipeline_buffer_size(QUEUE);
    if let Some(on_push) = on_push {
        let sender = move |push| -> Result<(), SendError> {
            on_push(push);
            Ok(())
        };
        config = config.set_push_sender(sender);
    }
    let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
    let (connection, driver) = opened.map_err(|error| error::of_driver(&error, Outcome::NotApplied))?;
    Ok((connection, Box::pin(driver)))
}

/// Whether the server answers a greeting of TLS in kind, whatever its certificate is.
async fn speaks_tls(place: &Place) -> bool {
    let handshake = async {
        let socket = socket(place).await.ok()?;
        let name = ServerName::try_from(place.host.clone()).ok()?;
        let connector = TlsConnector::from(Arc::new(trusting(RootCertStore::empty())));
        match connector.connect(name, socket).await {
            Ok(_) => Some(()),
            Err(error) => matches!(error::of_handshake(&error), Error::Unauthorized { .. }).then_some(()),
        }
    };
    tokio::time::timeout(PROBE, handshake).await.is_ok_and(|spoken| spoken.is_some())
}

/// Whether the server answers a plain command, with whatever.
async fn speaks_plain(place: &Place) -> bool {
    let asking = async {
        let mut socket = socket(place).await.ok()?;
        socket.write_all(b"PING\r\n").await.ok()?;
        matches!(socket.read_u8().await, Ok(b'+' | b'-')).then_some(())
    };
    tokio::time::timeout(PROBE, asking).await.is_ok_and(|spoken| spoken.is_some())
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("ring has what TLS 1.2 and 1.3 need");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// Those of a file, or the system's own. Reads files, on a thread for such.
async fn certificates(file: Option<&Path>) -> Result<RootCertStore> {
    let file = file.map(Path::to_path_buf);
    let read = tokio::task::spawn_blocking(move || match file {
        Some(file) => {
            let unreadable = |_| Error::invalid("tls_ca_file", "it cannot be read as certificates in PEM");
            let found = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
            found.collect::<Result<Vec<_>, _>>().map_err(unreadable)
        }
        None => Ok(rustls_native_certs::load_native_certs().certs),
    });
    let found = read.await.unwrap_or_else(|_| Err(Error::invalid("tls_ca_file", "reading it failed")))?;
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found).0 == 0 {
        return Err(Error::invalid("tls_ca_file", "there is no certificate to trust, neither in it nor in the system"));
    }
    Ok(roots)
}
