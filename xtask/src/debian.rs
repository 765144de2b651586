//! Packages of Debian, for whoever is root there.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::Problem;

/// Asked by Debian's packages whether the services that they bring may start.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether this user is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Installs packages, and keeps the services that they bring from starting.
///
/// # Errors
/// If this is not Debian, if this user is not root, or what apt says.
pub(crate) fn install(packages: &[&str]) -> Result<(), Problem> {
    let names = packages.join(" ");
    if !Path::new("/etc/debian_version").exists() {
        return Err(format!("{names}: this is not Debian"));
    }
    if !is_root() {
        return Err(format!("{names}: only root can install packages"));
    }
    println!("   apt-get install {names}");
    let _quiet = Quiet::keep().map_err(|error| format!("{POLICY}: {error}"))?;
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt(arguments: &[&str]) -> Result<(), Problem> {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--quiet"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("apt-get: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<_> = said.lines().rev().take(3).collect();
    Err(format!("apt-get {}: {}", arguments[0], last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

/// No service of a package starts while this is there: tests start servers of their own, on other ports.
#[derive(Debug)]
struct Quiet {
    /// The file is ours to remove.
    is_ours: bool,
}

impl Quiet {
    fn keep() -> io::Result<Self> {
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY) {
            Ok(mut file) => file.write_all(b"#!/bin/sh\nexit 101\n").map(|()| Self { is_ours: true }),
            // Somebody has decided already.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Self { is_ours: false }),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("{POLICY} is left over: {error}");
        }
    }
}
