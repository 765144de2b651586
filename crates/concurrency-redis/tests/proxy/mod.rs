//! Between a client and its server: cuts the connection at a request, before it or after it was carried out.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never sees the request.
    BeforeServer,
    /// It was carried out, and the answer is lost.
    BeforeClient,
}

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Plan {
    /// What comes next, for the first request that contains the word.
    next: Option<(&'static str, Cut, Option<Meanwhile>)>,
    /// Requests with the word that reached the server since then.
    word: &'static str,
    carried_out: usize,
}

/// A proxy of one server.
#[derive(Clone)]
pub(crate) struct Proxy {
    plan: Arc<Mutex<Plan>>,
    port: u16,
}

impl Proxy {
    /// In front of the server at this port of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let proxy = Self { plan: Arc::default(), port };
        let plan = Arc::clone(&proxy.plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, Arc::clone(&plan)));
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts at the next request that contains the word.
    pub(crate) fn cut(&self, word: &'static str, cut: Cut) {
        self.plan_next(word, cut, None);
    }

    /// Cuts at the next request that contains the word, after it was carried out and after this was done.
    pub(crate) fn cut_after(&self, word: &'static str, meanwhile: impl Future<Output = ()> + Send + 'static) {
        self.plan_next(word, Cut::BeforeClient, Some(Box::pin(meanwhile)));
    }

    fn plan_next(&self, word: &'static str, cut: Cut, meanwhile: Option<Meanwhile>) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        *plan = Plan { next: Some((word, cut, meanwhile)), word, carried_out: 0 };
    }

    /// Whether no request has met the plan yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).next.is_some()
    }

    /// How many requests with the word reached the server since the last plan was made. The plan has been carried out.
    pub(crate) fn carried_out(&self) -> usize {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(plan.next.is_none(), "nothing was cut");
        plan.carried_out
    }
}

async fn serve(mut client: TcpStream, server: u16, plan: Arc<Mutex<Plan>>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                match planned(&plan, &asked[..read]) {
                    None => {}
                    Some((Cut::BeforeServer, _)) => return,
                    Some((Cut::BeforeClient, meanwhile)) => {
                        if server.write_all(&asked[..read]).await.is_ok() {
                            drop(server.read(&mut answered).await);
                        }
                        if let Some(meanwhile) = meanwhile {
                            meanwhile.await;
                        }
                        return;
                    }
                }
                if server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn planned(plan: &Mutex<Plan>, request: &[u8]) -> Option<(Cut, Option<Meanwhile>)> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let has = |word: &str| !word.is_empty() && request.windows(word.len()).any(|part| part == word.as_bytes());
    if !has(plan.word) {
        return None;
    }
    let next = plan.next.take();
    if !matches!(next, Some((_, Cut::BeforeServer, _))) {
        plan.carried_out += 1;
    }
    next.map(|(_, cut, meanwhile)| (cut, meanwhile))
}
