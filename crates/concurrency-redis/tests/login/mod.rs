//! Who is let in.

use redis::Connection;
use servers::Server;

/// The password of all logins.
pub(crate) const PASSWORD: &str = "hunter2-secret";

/// A connection past the library, for what only an administrator does.
pub(crate) fn admin(server: &Server) -> Connection {
    let client = redis::Client::open(server.url().replace("valkey:", "redis:")).expect("the URL is one");
    client.get_connection().expect("the server answers")
}
