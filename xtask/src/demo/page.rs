//! The page of a run, on this machine only: three files, what the supervisor knows as JSON, and the buttons.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread,
    time::Duration,
};

use super::process::{Button, Event};
use crate::Problem;

/// The largest request.
const LARGEST: usize = 8 * 1024;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

const INDEX: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The server. It ends with the process.
#[derive(Debug)]
pub(super) struct Page {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    snapshot: Mutex<Arc<str>>,
    /// Whether the snapshot has been fetched since it was set.
    fetched: AtomicBool,
    events: Mutex<Sender<Event>>,
}

impl Page {
    /// Serves on this port, or on a free one where it is 0. Buttons become events.
    pub(super) fn open(port: u16, events: Sender<Event>) -> Result<Self, Problem> {
        let cannot = |error| format!("port {port} of 127.0.0.1 cannot be had for the page: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let shared = Arc::new(Shared {
            port,
            snapshot: Mutex::new(Arc::from("null")),
            fetched: AtomicBool::new(false),
            events: Mutex::new(events),
        });
        let page = Self { shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // What a broken connection did not get, the page asks for again.
                thread::spawn(move || shared.answer(stream).ok());
            }
        });
        Ok(page)
    }

    /// What to type into a browser.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.shared.port)
    }

    /// From now on this is shown.
    pub(super) fn show(&self, snapshot: String) {
        *self.shared.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot.into();
        self.shared.fetched.store(false, Ordering::Release);
    }

    /// Whether somebody has fetched what is shown now.
    pub(super) fn is_fetched(&self) -> bool {
        self.shared.fetched.load(Ordering::Acquire)
    }
}

/// An answer: status, type, content.
type Answer = (&'static str, &'static str, Arc<str>);

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = head(&mut stream)?;
        let (status, kind, content) = self.route(&head);
        let security = "default-src 'self'; frame-ancestors 'none'";
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
             content-security-policy: {security}\r\nconnection: close\r\n\r\n{content}",
            content.len()
        )?;
        stream.flush()
    }

    fn route(&self, head: &str) -> Answer {
        let refused = |status, why: &str| (status, "text/plain", Arc::from(why));
        let mut request = head.lines().next().unwrap_or_default().split(' ');
        let (method, path) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
        // A page of somebody else, or a name that somebody else has pointed at this machine, may not press buttons here.
        let ours = |host: &str| {
            [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)].contains(&host.to_owned())
        };
        let strange = header(head, "origin").is_some_and(|origin| !origin.strip_prefix("http://").is_some_and(ours));
        if !header(head, "host").is_some_and(ours) || strange {
            return refused("403 Forbidden", "this page is for this machine");
        }
        match (method, path) {
            ("GET", "/") => ("200 OK", "text/html", Arc::from(INDEX)),
            ("GET", "/style.css") => ("200 OK", "text/css", Arc::from(STYLE)),
            ("GET", "/page.js") => ("200 OK", "text/javascript", Arc::from(SCRIPT)),
            ("GET", "/state") => {
                let snapshot = Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner));
                self.fetched.store(true, Ordering::Release);
                ("200 OK", "application/json", snapshot)
            }
            ("POST", path) => match pressed(path) {
                Some(event) => {
                    // Once the run is over there is nobody to hear it.
                    self.events.lock().unwrap_or_else(PoisonError::into_inner).send(event).ok();
                    ("202 Accepted", "text/plain", Arc::from(""))
                }
                None => refused("404 Not Found", "no such button"),
            },
            _ => refused("404 Not Found", "no such page"),
        }
    }
}

/// `/instances/2/kill`.
fn pressed(path: &str) -> Option<Event> {
    let (number, button) = path.strip_prefix("/instances/")?.split_once('/')?;
    let button = match button {
        "kill" => Button::Kill,
        "freeze" => Button::Freeze,
        "restart" => Button::Restart,
        _ => return None,
    };
    Some(Event::Pressed { instance: number.parse().ok()?, button })
}

/// A request up to the end of its head; what comes behind is none of our requests' business.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 || bytes.len() + read > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn ask(page: &Page, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, page.shared.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_shows_what_it_is_given_and_hands_buttons_on() {
        let (events, pressed) = mpsc::channel();
        let page = Page::open(0, events).unwrap();
        let host = format!("host: 127.0.0.1:{}\r\n\r\n", page.shared.port);
        page.show("{\"done\":7}".to_owned());
        assert!(!page.is_fetched());
        assert!(ask(&page, &format!("GET /state HTTP/1.1\r\n{host}")).ends_with("\r\n\r\n{\"done\":7}"));
        assert!(page.is_fetched());
        for (path, begins) in [("/", "<!doctype html>"), ("/style.css", ":root"), ("/page.js", "// ")] {
            let answer = ask(&page, &format!("GET {path} HTTP/1.1\r\n{host}"));
            assert!(answer.split_once("\r\n\r\n").unwrap().1.starts_with(begins), "{path}: {answer}");
        }
        assert!(ask(&page, &format!("POST /instances/2/freeze HTTP/1.1\r\n{host}")).starts_with("HTTP/1.1 202"));
        assert!(matches!(pressed.recv(), Ok(Event::Pressed { instance: 2, button: Button::Freeze })));
        for path in ["/instances/2/melt", "/instances/x/kill", "/instances"] {
            assert!(ask(&page, &format!("POST {path} HTTP/1.1\r\n{host}")).starts_with("HTTP/1.1 404"), "{path}");
        }
    }

    #[test]
    fn other_peoples_pages_press_no_buttons() {
        let (events, pressed) = mpsc::channel();
        let page = Page::open(0, events).unwrap();
        let port = page.shared.port;
        for head in ["host: evil.example".to_owned(), format!("host: localhost:{port}\r\norigin: http://evil.example")]
        {
            let answer = ask(&page, &format!("POST /instances/2/kill HTTP/1.1\r\n{head}\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        }
        assert!(pressed.try_recv().is_err());
        let own = format!("host: localhost:{port}\r\norigin: http://localhost:{port}");
        assert!(ask(&page, &format!("POST /instances/2/kill HTTP/1.1\r\n{own}\r\n\r\n")).starts_with("HTTP/1.1 202"));
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let why = Page::open(port, mpsc::channel().0).unwrap_err();
        assert!(why.starts_with(&format!("port {port} of 127.0.0.1 cannot be had")), "{why}");
    }
}
