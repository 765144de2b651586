//! Ports of this machine.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

/// A port of 127.0.0.1 that nobody listens on at this moment. Somebody else may take it before it is used.
///
/// # Errors
/// If the system has none left.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
