//! Servers in containers, through the Docker engine of this machine.

use std::{ffi::OsStr, process, thread};

use testcontainers::{
    Container as Running, GenericImage, ImageExt, TestcontainersError, core::ContainerPort, runners::SyncRunner,
};

use crate::{
    Data, Engine, Guardian, Kind, Setup, Unavailable,
    engine::docker,
    kind::Place,
    local::{Role, end_of},
    ports::free_port,
    probe::{Identity, Probe},
    sentinel,
    server::{PATIENCE, patiently},
};

/// How often a port may be lost to somebody who was faster.
const TRIES: usize = 5;

/// A container that runs, or did.
#[derive(Debug)]
pub(crate) struct Container {
    kind: Kind,
    role: Role,
    /// Whether it shares the network of this machine, so that several reach each other where clients reach them.
    is_beside_others: bool,
    image: String,
    name: String,
    port: u16,
    running: Option<Running<GenericImage>>,
    /// Removes the container if this process cannot.
    _guardian: Guardian,
}

impl Container {
    /// Starts one whose port is published to this machine alone.
    pub(crate) fn start(kind: Kind, setup: &Setup) -> Result<(Self, Identity), Unavailable> {
        Self::start_as(kind, &Role::Server(setup.clone()), false)
    }

    /// Starts one of several that reach each other: it listens at a port of this machine alone.
    pub(crate) fn start_beside_others(kind: Kind, role: Role) -> Result<(Self, Identity), Unavailable> {
        Self::start_as(kind, &role, true)
    }

    fn start_as(kind: Kind, role: &Role, is_beside_others: bool) -> Result<(Self, Identity), Unavailable> {
        Engine::version()?;
        let image = Engine::image(kind)?;
        let mut tried = 1;
        loop {
            let cannot = |error: std::io::Error| Unavailable::new(error.to_string());
            let port = free_port().map_err(cannot)?;
            let name = format!("concurrency-{kind}-{}-{port}", process::id());
            let remove = ["docker", "rm", "--force", "--volumes", &name].map(OsStr::new);
            let guardian = Guardian::of_command(&remove).map_err(cannot)?;
            let (role, image, running) = (role.clone(), image.clone(), None);
            let mut container = Self { kind, role, is_beside_others, image, name, port, running, _guardian: guardian };
            match container.create().and_then(|()| container.serves()) {
                Ok(identity) => return Ok((container, identity)),
                // Whoever has taken the port meanwhile keeps it.
                Err(why) if why.to_string().to_lowercase().contains("address already in use") && tried < TRIES => {
                    tried += 1;
                }
                Err(why) => return Err(why),
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.kind.row().scheme, self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// What it has said so far, since it was created.
    pub(crate) fn log(&self) -> String {
        let said = docker(&["logs", &self.name]);
        said.map(|said| String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()).unwrap_or_default()
    }

    fn create(&mut self) -> Result<(), Unavailable> {
        let row = self.kind.row();
        let (image, tag) =
            self.image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((&self.image, "latest"));
        let request = GenericImage::new(image, tag).with_cmd(self.command()).with_container_name(&self.name);
        let request = match self.is_beside_others {
            true => request.with_network("host"),
            false => {
                request.with_mapped_port(self.port, ContainerPort::Tcp(row.port)).with_host_config_modifier(|host| {
                    let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
                    for binding in bindings.flatten().flatten() {
                        binding.host_ip = Some("127.0.0.1".to_owned());
                    }
                })
            }
        };
        let started = outside_of_any_runtime(|| request.start());
        let cannot = |error: TestcontainersError| {
            Unavailable::new(format!("the image {} cannot be started: {error}", self.image))
        };
        self.running = Some(started.map_err(cannot)?);
        Ok(())
    }

    /// What runs in it.
    fn command(&self) -> Vec<String> {
        let row = self.kind.row();
        let place = match self.is_beside_others {
            true => Place { address: "127.0.0.1", port: self.port, folder: row.data },
            false => Place { address: "0.0.0.0", port: row.port, folder: row.data },
        };
        let mut command = vec![row.program.to_owned()];
        match &self.role {
            Role::Server(setup) => command.extend((row.arguments)(setup, &place)),
            Role::Sentinel(lines) => {
                // Its file is what it was told first, and what it has learnt since.
                let script =
                    "test -f sentinel.conf || printf %s \"$1\" > sentinel.conf; exec \"$0\" sentinel.conf --sentinel";
                command.splice(..0, ["sh", "-c", script].map(str::to_owned));
                command.push(sentinel::configuration(lines, &place));
            }
        }
        command
    }

    fn serves(&self) -> Result<Identity, Unavailable> {
        let (url, probe) = (self.url(), self.kind.row().probe);
        let mut last = "no answer".to_owned();
        let serves = patiently(PATIENCE, || match probe(&url) {
            Probe::Serves(identity) => Some(identity),
            Probe::Not(why) => {
                last = why;
                None
            }
        });
        serves.ok_or_else(|| {
            let log = end_of(&self.log());
            Unavailable::new(format!("{} does not serve within {PATIENCE:?}: {last}; it said: {log}", self.image))
        })
    }

    /// Kills it; nothing happens if it has ended already.
    pub(crate) fn kill(&mut self) -> Result<(), Unavailable> {
        match self.docker("kill") {
            Err(why) if why.to_string().contains("is not running") => Ok(()),
            killed => killed,
        }
    }

    /// Lets it end by itself.
    pub(crate) fn stop(self) -> Result<(), Unavailable> {
        self.docker("stop")
    }

    /// Starts it again at its port; kills it first if it runs.
    pub(crate) fn restart(&mut self, data: Data) -> Result<Identity, Unavailable> {
        self.kill()?;
        match data {
            Data::Kept => self.docker("start")?,
            Data::Lost => {
                self.remove();
                self.create()?;
            }
        }
        self.serves()
    }

    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), Unavailable> {
        self.docker(if frozen { "pause" } else { "unpause" })
    }

    fn docker(&self, command: &str) -> Result<(), Unavailable> {
        let cannot = |why: String| Unavailable::new(format!("docker {command} {}: {}", self.name, why.trim()));
        let output = docker(&[command, &self.name]).map_err(|error| cannot(error.to_string()))?;
        if output.status.success() { Ok(()) } else { Err(cannot(String::from_utf8_lossy(&output.stderr).into_owned())) }
    }

    /// With its data.
    fn remove(&mut self) {
        let running = self.running.take();
        outside_of_any_runtime(move || drop(running));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{} said last: {}", self.kind, end_of(&self.log()));
        }
        self.remove();
    }
}

/// testcontainers blocks on a runtime of its own, which is not allowed inside of another.
fn outside_of_any_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
