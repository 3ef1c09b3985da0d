//! Peers that answer in this process, while the commands of one member are typed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_node::demo::{Consortium, Member};
use blindmatch_node::exchange::{Daemon, Footing, Serving};
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::{Node, clock};
use blindmatch_transport::{Endpoint, Limits, Server};
use tokio::runtime::Runtime;

use crate::place::{Place, Test};

/// Four providers: `a`, whose home is free for commands, and its peers. `d` has nothing to serve, and is a
/// witness, so that the others publish without `a`.
pub(crate) struct Peers {
    pub(crate) place: Place,
    peers: BTreeMap<&'static str, Running>,
    addresses: BTreeMap<&'static str, std::net::SocketAddr>,
}

/// A node at work, with threads of its own.
struct Running {
    serving: Serving,
    endpoint: Endpoint,
    server: Server,
    runtime: Runtime,
}

/// The home of `a`, as commands name it.
pub(crate) const HOME: &str = "nodes/a";

impl Peers {
    /// What peers have for abuse, and under which policies they are where it is not the one of the
    /// demonstration.
    pub(crate) fn new(
        feeds: &[(&'static str, &str)],
        policies: &[(&str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let names = ["a", "b", "c", "d"];
        let members: Vec<Name> = names
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()?;
        let suffixes = canonicaliser()?.suffixes().sha256().to_owned();
        let mut consortium = Consortium::found(folder.path(), &members, Digest(suffixes))?;
        for (member, feed) in feeds {
            import(&consortium, member, feed)?;
        }
        for (member, policy) in policies {
            fs::write(
                consortium.home(&member.parse()?).join("policy.toml"),
                policy,
            )?;
        }
        let mut running = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        for name in names {
            let member = consortium.members.remove(&name.parse()?);
            let Member { node, listener } = member.ok_or("no member")?;
            addresses.insert(name, listener.local_addr()?);
            running.insert(name, Running::start(node, listener)?);
        }
        for working in running.values() {
            working.serving.daemon().publish()?;
        }
        for working in running.values() {
            working.gather()?;
        }
        // The one whose commands are typed does not listen.
        running.remove("a").ok_or("no a")?.stop();
        Ok(Self {
            place: Place::of(folder),
            peers: running,
            addresses,
        })
    }

    /// Ends a peer: nobody answers at its address then.
    pub(crate) fn stop(&mut self, peer: &str) {
        if let Some(running) = self.peers.remove(peer) {
            running.stop();
        }
    }

    /// Begins it again.
    pub(crate) fn start(&mut self, peer: &'static str) -> Test {
        let node = Node::open(&self.place.path(&format!("nodes/{peer}")))?;
        let listener = TcpListener::bind(self.addresses.get(peer).ok_or("no address")?)?;
        let running = Running::start(node, listener)?;
        // It was cosigned before, so it answers nobody before a witness has answered it.
        running
            .runtime
            .block_on(running.serving.gather(&running.endpoint))?;
        assert_eq!(running.serving.footing(), Footing::Firm);
        self.peers.insert(peer, running);
        Ok(())
    }
}

impl Peers {
    /// Makes a peer lose the keys of its views and begin a new epoch of each.
    pub(crate) fn renew(&mut self, peer: &'static str) -> Test {
        self.stop(peer);
        let views = self.place.path(&format!("nodes/{peer}/views"));
        fs::remove_dir_all(&views)?;
        fs::create_dir(&views)?;
        fs::set_permissions(&views, fs::Permissions::from_mode(0o700))?;
        self.start(peer)?;
        let running = self.peers.get(peer).ok_or("it is not there")?;
        running.serving.daemon().publish()?;
        running.gather()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        while let Some((_, running)) = self.peers.pop_first() {
            running.stop();
        }
    }
}

impl Running {
    fn start(node: Node, listener: TcpListener) -> Result<Self, Box<dyn Error>> {
        let daemon = Daemon::open(node, canonicaliser()?, Arc::new(clock::now))?;
        let endpoint = daemon.endpoint(Limits::default());
        let serving = Serving::new(Arc::new(daemon));
        let runtime = Runtime::new()?;
        listener.set_nonblocking(true)?;
        let server = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            Ok::<_, std::io::Error>(endpoint.serve(listener, Arc::new(serving.clone())))
        })?;
        Ok(Self {
            serving,
            endpoint,
            server,
            runtime,
        })
    }

    fn gather(&self) -> Test {
        let Self {
            serving,
            endpoint,
            runtime,
            ..
        } = self;
        assert!(
            runtime.block_on(serving.gather(endpoint))?,
            "witnesses cosign what it published"
        );
        Ok(())
    }

    fn stop(self) {
        let Self {
            server, runtime, ..
        } = self;
        drop(server);
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

pub(crate) fn canonicaliser() -> Result<Canonicaliser, Box<dyn Error>> {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
    let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let list = PublicSuffixes::parse(&fs::read_to_string(tables.join(list))?)?;
    Ok(Canonicaliser::new(list))
}

/// Imports a feed as what a member knows for abuse.
fn import(consortium: &Consortium, member: &str, feed: &str) -> Test {
    let member = consortium
        .members
        .get(&member.parse()?)
        .ok_or("no member")?;
    let desk = member.desk(&canonicaliser()?)?;
    let imported = desk.import(
        "feed".parse()?,
        |canonicaliser, sink| {
            blindmatch_feeds::read(feed.as_bytes(), &Options::default(), canonicaliser, sink)
        },
        &mut |_| {},
    );
    imported.map_err(|error| error.to_string())?;
    Ok(())
}
