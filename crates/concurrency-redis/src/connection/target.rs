//! Where the server is: sockets, with or without TLS, and the login on them.
//!
//! The sockets are opened here and not by the driver: so a refused connection, a failed handshake and a refused login are told
//! apart, the certificates are read once, and which cryptography TLS uses does not hang on what else the program links.

use std::{path::Path, pin::Pin, sync::Arc, time::Duration};

use concurrency_core::{Error, Outcome, Result};
use redis::{
    AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo,
    aio::{MultiplexedConnection, SendError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::gathering::{Crowd, Gathering};
use crate::{config::RedisConfig, error};

/// Requests that may wait for the driver's task; it takes them all at once.
const QUEUE: usize = 1024;
/// How long a server may take to show that it speaks in another way than it was spoken to.
const PROBE: Duration = Duration::from_secs(1);

/// Runs a connection: it has to be polled for anything to happen, and ends with the connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes what the server sends unasked. Called on the driver's task, so it must not block.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// An address and a login.
pub(super) struct Target {
    host: String,
    port: u16,
    pub(super) db: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    login: RedisConnectionInfo,
}

impl Target {
    /// # Errors
    /// `InvalidArgument` for a name that no certificate can have, and for a file of certificates that cannot be read.
    pub(super) async fn new(config: &RedisConfig) -> Result<Self> {
        let host = config.host.clone().unwrap_or_else(|| "localhost".to_owned());
        let tls = match config.tls.unwrap_or(false) {
            true => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| Error::invalid("host", "no certificate can have this name"))?;
                Some((Arc::new(trusting(certificates(config.tls_ca_file.as_deref()).await?)), name))
            }
            false => None,
        };
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(password) = &config.password {
            login = login.set_password(password);
        }
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        Ok(Self { host, port: config.port.unwrap_or(6379), db: config.db.unwrap_or(0), tls, login })
    }

    /// Opens a connection and logs in, within `limit`. `crowd` is told what is under way on it; `accepted` is called once somebody has accepted the connection.
    ///
    /// # Errors
    /// `Unavailable`, `Unauthorized`, `Incompatible`, `Exhausted`: nothing was sent but the login.
    pub(super) async fn open(
        &self,
        limit: Duration,
        on_push: Option<OnPush>,
        crowd: &Crowd,
        accepted: impl FnOnce() + Send,
    ) -> Result<(MultiplexedConnection, Driver)> {
        let socket = self.socket().await?;
        accepted();
        let Some((tls, name)) = &self.tls else {
            let opened = self.log_in(Gathering::new(socket, crowd.clone()), on_push).await;
            return match opened {
                // What hangs up, or answers in no words that we know, may want to be spoken to in another way.
                Err(Error::Unavailable { .. } | Error::Incompatible { .. }) if self.speaks_tls().await => {
                    Err(error::wants_tls())
                }
                opened => opened,
            };
        };
        let connector = TlsConnector::from(Arc::clone(tls));
        // A plain server waits for the end of the line that it takes a greeting of TLS for.
        let stream = match tokio::time::timeout(limit / 2, connector.connect(name.clone(), socket)).await {
            Ok(stream) => stream.map_err(|error| error::of_handshake(&error))?,
            Err(_) if self.speaks_plain().await => return Err(error::no_tls("a plain connection")),
            Err(_) => return Err(error::timeout(limit, Outcome::NotApplied)),
        };
        self.log_in(Gathering::new(stream, crowd.clone()), on_push).await
    }

    async fn socket(&self) -> Result<TcpStream> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await;
        let socket = socket.map_err(|error| error::of_socket(&error))?;
        // Off unless asked for: a request would wait for the answer to the one before.
        socket.set_nodelay(true).map_err(|error| error::of_socket(&error))?;
        Ok(socket)
    }

    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
        let opened = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| error::of_driver(&error, Outcome::NotApplied))?;
        Ok((connection, Box::pin(driver)))
    }

    /// Whether the server answers a greeting of TLS in kind, whatever its certificate is.
    async fn speaks_tls(&self) -> bool {
        let handshake = async {
            let socket = self.socket().await.ok()?;
            let name = ServerName::try_from(self.host.clone()).ok()?;
            let connector = TlsConnector::from(Arc::new(trusting(RootCertStore::empty())));
            match connector.connect(name, socket).await {
                Ok(_) => Some(()),
                Err(error) => matches!(error::of_handshake(&error), Error::Unauthorized { .. }).then_some(()),
            }
        };
        tokio::time::timeout(PROBE, handshake).await.is_ok_and(|spoken| spoken.is_some())
    }

    /// Whether the server answers a plain command, with whatever.
    async fn speaks_plain(&self) -> bool {
        let asking = async {
            let mut socket = self.socket().await.ok()?;
            socket.write_all(b"PING\r\n").await.ok()?;
            matches!(socket.read_u8().await, Ok(b'+' | b'-')).then_some(())
        };
        tokio::time::timeout(PROBE, asking).await.is_ok_and(|spoken| spoken.is_some())
    }
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
