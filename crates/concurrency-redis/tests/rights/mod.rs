//! A user with exactly the rights that `docs/backends/redis.md` names: what the library sends beside them is refused.

use redis::{Connection, cmd};

use crate::login::PASSWORD;

/// The documented rights.
pub(crate) fn rights() -> Vec<&'static str> {
    let document = include_str!("../../../../docs/backends/redis.md");
    let line = document.lines().find_map(|line| line.strip_prefix("ACL SETUSER shop on >PASSWORD "));
    line.expect("the document names them").split(' ').collect()
}

/// Gives a user these rights and no others.
pub(crate) fn set_user(admin: &mut Connection, user: &str, rights: &[&str]) {
    let password = format!(">{PASSWORD}");
    let mut command = cmd("ACL");
    command.arg("SETUSER").arg(user).arg("reset").arg("on").arg(password).arg(rights);
    command.exec(admin).expect("the rights exist");
}
