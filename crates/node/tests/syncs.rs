//! How often one query waits for a disk: what is durable when is held by crashes elsewhere, and how
//! long that takes is a number of syncs times what one takes.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, mem};

use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::demo::{Consortium, Outcome};
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::{Daemon, Serving};
use blindmatch_node::store::disk::{Disk, Faults, Operation, Verdict};
use blindmatch_node::{Node, clock};
use blindmatch_transport::{Endpoint, Limits, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// What a disk was asked to sync, in order; what was synced at once stands together.
#[derive(Default)]
struct Syncs {
    waits: Mutex<Vec<Vec<PathBuf>>>,
    next: Mutex<Vec<PathBuf>>,
}

impl Faults for Syncs {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        if matches!(operation, Operation::Sync | Operation::SyncDirectory) {
            self.next.lock().unwrap().push(path.to_owned());
        }
        Verdict::Proceed
    }

    fn waits(&self) {
        let together = mem::take(&mut *self.next.lock().unwrap());
        self.waits.lock().unwrap().push(together);
    }
}

impl Syncs {
    fn all(&self) -> Vec<Vec<PathBuf>> {
        self.waits.lock().unwrap().clone()
    }

    /// Those up to the last that `is_last` knows by the name of a file.
    fn up_to(&self, is_last: impl Fn(&Path) -> bool) -> Vec<Vec<PathBuf>> {
        let mut waits = self.all();
        let last = waits
            .iter()
            .rposition(|paths| paths.iter().any(|path| is_last(path)));
        waits.truncate(last.map_or(0, |last| last + 1));
        waits
    }
}

struct At {
    syncs: Arc<Syncs>,
    serving: Serving,
    endpoint: Endpoint,
    _server: Server,
}

impl At {
    fn daemon(&self) -> Arc<Daemon> {
        self.serving.daemon()
    }

    /// Waits until nothing is synced any more, and forgets what was.
    async fn rest(&self) {
        loop {
            let before = self.syncs.all().len();
            sleep(Duration::from_millis(300)).await;
            let mut waits = self.syncs.waits.lock().unwrap();
            if waits.len() == before {
                waits.clear();
                return;
            }
        }
    }
}

fn canonicaliser() -> Canonicaliser {
    let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
    let list = fs::read_to_string(tables.join(list)).unwrap();
    Canonicaliser::new(PublicSuffixes::parse(&list).unwrap())
}

/// Two members that hold an address each, whose disks are watched.
async fn meet(place: &TempDir, canonicaliser: &Canonicaliser) -> [At; 2] {
    let names: [Name; 2] = ["a", "b"].map(|name| name.parse().unwrap());
    let suffixes = PublicSuffixes::VERSION_1;
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(
        "../../spec/tables/public_suffix_list-{suffixes}.dat"
    ));
    let digest = PublicSuffixes::parse(&fs::read_to_string(list).unwrap()).unwrap();
    let digest = Digest(*digest.sha256());
    let mut consortium = Consortium::found(place.path(), &names, digest).unwrap();
    let policy = consortium.policy().to_owned();
    let nodes = names.map(|name| {
        let member = consortium.members.remove(&name).unwrap();
        let desk = member.desk(canonicaliser).unwrap();
        let feed = format!("{name}@example.net\nsome-{name}@example.net\n");
        let read = |canonicaliser: &Canonicaliser,
                    sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
            blindmatch_feeds::read(feed.as_bytes(), &Options::default(), canonicaliser, sink)
        };
        let source = "main".parse().unwrap();
        desk.import(source, read, &mut |_| {}).unwrap();
        drop(desk);
        let home = member.node.disk().root().to_owned();
        drop(member.node);
        fs::write(home.join("policy.toml"), &policy).unwrap();
        let syncs = Arc::new(Syncs::default());
        let disk = Disk::with_faults(&home, Arc::clone(&syncs) as Arc<dyn Faults>);
        let node = Node::on(disk).unwrap();
        let daemon = Daemon::open(node, canonicaliser.clone(), Arc::new(clock::now)).unwrap();
        let daemon = Arc::new(daemon);
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = daemon.endpoint(Limits::default());
        member.listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(member.listener).unwrap();
        let _server = endpoint.serve(listener, Arc::new(serving.clone()));
        At {
            syncs,
            serving,
            endpoint,
            _server,
        }
    });
    for At {
        serving, endpoint, ..
    } in &nodes
    {
        let daemon = serving.daemon();
        let published = tokio::task::spawn_blocking(move || daemon.publish());
        published.await.unwrap().unwrap();
        // Everybody meets everybody.
        let _ = serving.gather(endpoint).await.unwrap();
    }
    for At {
        serving, endpoint, ..
    } in &nodes
    {
        let _ = serving.gather(endpoint).await.unwrap();
    }
    nodes
}

async fn ask(asker: &Asker, canonicaliser: &Canonicaliser, text: &str, is_held: bool) {
    let query = Query {
        indicators: vec![canonicaliser.parse(IndicatorType::Email, text).unwrap()],
        peers: BTreeSet::new(),
        purpose: None,
        occasion: Occasion::default(),
    };
    let answers = asker.query(query).await.unwrap();
    let mut answers = answers
        .iter()
        .filter(|answer| answer.outcome != Outcome::NotServed);
    let answer = answers.next().unwrap();
    assert_eq!(answer.outcome, Outcome::Done);
    assert_eq!(answer.found.len(), usize::from(is_held));
}

/// A query of one indicator, of a publication that is here, is answered when the querier's ledger says
/// that it ended. Whatever the responder syncs up to the receipt of both, the querier waits for.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_few_syncs() {
    let place = tempfile::tempdir().unwrap();
    let canonicaliser = canonicaliser();
    let nodes = meet(&place, &canonicaliser).await;
    let [a, b] = &nodes;
    let asker = Asker::new(a.daemon(), a.endpoint.clone());
    ask(&asker, &canonicaliser, "nobody@example.net", false).await;
    for (held, text) in [(true, "b@example.net"), (false, "nobody-else@example.net")] {
        for at in &nodes {
            at.rest().await;
        }
        ask(&asker, &canonicaliser, text, held).await;
        asker.settle().await;
        // Of the responder nobody waits for what follows.
        while !b.daemon().runs().unfinished().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        let is_segment = |path: &Path| {
            path.starts_with("ledger") && path.extension().is_some_and(|ending| ending == "log")
        };
        let asked = a.syncs.up_to(is_segment);
        let answered = b
            .syncs
            .up_to(|path| path.starts_with("runs") && path.ends_with("log"));
        println!(
            "the querier waits {} times, the responder {}",
            asked.len(),
            answered.len()
        );
        assert!(asked.len() <= 5, "{asked:#?}");
        assert!(answered.len() <= 5, "{answered:#?}");
    }
}
