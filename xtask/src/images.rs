//! `cargo xtask images`: images of the servers from packages of Debian unstable, where no image registry can be
//! reached.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use servers::{Engine, Kind};

use crate::{Problem, debian, engine, programs};

/// What `--help` prints.
const HELP: &str = "\
cargo xtask images [options] [NAME ..]

Builds images of the servers (all, or those named: redis, valkey) from packages of Debian unstable, for machines that reach no
image registry. The suite takes them where the official images are not there; `docker-compose up` takes them by the variables
that are printed at the end. What is there already is not built again. Needs Debian, root and a Docker engine; one that is
installed and does not run is started for the time being.

  --again        builds what is there already once more, with the packages of today
  --mirror URL   where the packages come from; http://deb.debian.org/debian unless given
  --install      installs debootstrap and, where there is none, a Docker engine

Exit code: 0 all are there, 2 not.
";

/// What all images stand on: Debian unstable, as little of it as there is.
const BASE: &str = "concurrency-base:sid";

/// What is to be built, and how.
#[derive(Debug)]
pub(crate) struct Options {
    again: bool,
    mirror: String,
    install: bool,
    kinds: Vec<Kind>,
}

impl Options {
    /// Images of these, if they are not there, with what that needs installed.
    pub(crate) fn missing(kinds: Vec<Kind>) -> Self {
        Self { again: false, mirror: "http://deb.debian.org/debian".to_owned(), install: true, kinds }
    }

    fn read(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Self { install: false, ..Self::missing(Vec::new()) };
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("again") => options.again = true,
                Long("mirror") => options.mirror = parser.value()?.string()?,
                Long("install") => options.install = true,
                Value(name) => {
                    let name = name.string()?;
                    options.kinds.push(Kind::find(&name).ok_or_else(|| format!("no server is called {name:?}"))?);
                }
                other => return Err(other.unexpected()),
            }
        }
        if options.kinds.is_empty() {
            options.kinds = Kind::ALL.to_vec();
        }
        Ok(Some(options))
    }
}

/// Runs the task.
pub(crate) fn run(parser: lexopt::Parser) -> Result<ExitCode, Problem> {
    let Some(options) = Options::read(parser).map_err(|error| error.to_string())? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    let _engine = engine::ensure(options.install)?;
    build(&options)?;
    for kind in &options.kinds {
        println!("{}={}", kind.image_variable(), kind.built_image());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what is not there yet, or all of it.
///
/// # Errors
/// What is missing, or the program that failed.
pub(crate) fn build(options: &Options) -> Result<(), Problem> {
    let wanted = |image: &str| options.again || !Engine::has(image);
    let kinds: Vec<_> = options.kinds.iter().filter(|kind| wanted(&kind.built_image())).collect();
    if !kinds.is_empty() && wanted(BASE) {
        base(options)?;
    }
    for kind in kinds {
        println!("   docker build {}", kind.built_image());
        let mut docker = Command::new("docker");
        docker.args([
            "build",
            "--network",
            "host",
            "--build-arg",
            &format!("SERVER={kind}"),
            "--tag",
            &kind.built_image(),
        ]);
        if options.again {
            docker.arg("--no-cache");
        }
        quietly(docker.arg(programs::root().join(kind.image_folder())))?;
    }
    Ok(())
}

/// Debian unstable in a folder, and from there into the engine.
fn base(options: &Options) -> Result<(), Problem> {
    if !debian::is_root() {
        return Err("only root can build images from packages of Debian".to_owned());
    }
    let debootstrap = "/usr/sbin/debootstrap";
    if options.install && !Path::new(debootstrap).exists() {
        debian::install(&["debootstrap"])?;
    }
    let folder = tempfile::Builder::new().prefix("concurrency-base-").tempdir();
    // What debootstrap mounts in it is not to be followed when it is removed.
    let folder = Mounted(folder.map_err(|error| format!("no folder for {BASE}: {error}"))?.keep());
    println!("   debootstrap sid {}", options.mirror);
    let mut command = Command::new(debootstrap);
    command.args(["--variant=minbase", "--include=ca-certificates", "sid"]);
    quietly(command.arg(&folder.0).arg(&options.mirror))?;
    finish(&folder.0).map_err(|error| format!("{}: {error}", folder.0.display()))?;
    import(&folder.0)
}

/// What a Debian in an image needs beside its packages.
fn finish(folder: &Path) -> std::io::Result<()> {
    // A mirror may lag behind.
    fs::write(folder.join("etc/apt/apt.conf.d/99valid"), "Acquire::Check-Valid-Until \"false\";\n")?;
    let policy = folder.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))
}

fn import(folder: &Path) -> Result<(), Problem> {
    println!("   docker import {BASE}");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(["--one-file-system", "-c", "."]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut tar = tar.spawn().map_err(|error| format!("tar: {error}"))?;
    let packed = tar.stdout.take().expect("it was asked for");
    let imported = quietly_from(Command::new("docker").args(["import", "-", BASE]), packed.into());
    match tar.wait() {
        Ok(status) if status.success() => imported,
        Ok(status) => imported.and(Err(format!("tar ended with {status}"))),
        Err(error) => imported.and(Err(format!("tar: {error}"))),
    }
}

fn quietly(command: &mut Command) -> Result<(), Problem> {
    quietly_from(command, Stdio::null())
}

/// Runs a program, and shows what it says if it fails.
fn quietly_from(command: &mut Command, input: Stdio) -> Result<(), Problem> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(input).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<_> = said.lines().rev().take(15).collect();
    let last: String = last.into_iter().rev().map(|line| format!("\n     {line}")).collect();
    let what = command.get_args().next().map(OsStr::to_string_lossy).unwrap_or_default();
    Err(format!("{name} {what} ended with {}:{last}", output.status))
}

/// A folder in which something may be mounted.
#[derive(Debug)]
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let removed = quietly(Command::new("rm").args(["-rf", "--one-file-system", "--"]).arg(&self.0));
        if let Err(why) = removed {
            eprintln!("{} is left over: {why}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_built_unless_some_are_named() {
        let read = |arguments: &[&str]| Options::read(lexopt::Parser::from_args(arguments));
        assert_eq!(read(&[]).unwrap().unwrap().kinds, Kind::ALL);
        let options = read(&["valkey", "--again", "--mirror", "http://mirror"]).unwrap().unwrap();
        assert_eq!((options.kinds, options.again, &*options.mirror), (vec![Kind::Valkey], true, "http://mirror"));
        assert!(read(&["sqlite"]).is_err() && read(&["--nonsense"]).is_err());
        assert!(read(&["--help"]).unwrap().is_none());
    }

    #[test]
    fn every_kind_has_a_recipe() {
        for kind in Kind::ALL {
            let recipe = programs::root().join(kind.image_folder()).join("Dockerfile");
            let text = fs::read_to_string(&recipe).unwrap_or_else(|error| panic!("{}: {error}", recipe.display()));
            assert!(text.contains(&format!("FROM {BASE}\n")), "{kind}");
        }
    }

    #[test]
    fn what_fails_says_what_it_said() {
        let why = quietly(Command::new("sh").args(["-c", "echo why; exit 3"])).unwrap_err();
        assert!(why.contains("sh -c ended with exit status: 3") && why.ends_with("why"), "{why}");
    }
}
