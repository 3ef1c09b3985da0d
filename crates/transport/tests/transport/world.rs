//! A consortium on this machine: members with keys, delegations and listeners, and a node that
//! answers what tests expect.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blindmatch_audit::SigningKey;
use blindmatch_membership::{
    Card, Delegation, Delegations, Digest, Draft, HpkeKey, KeySet, Member, Name, NodeKeys, Role,
    Roster, Signer, Terms,
};
use blindmatch_transport::message::{
    Answer, Cosigned, FileRequest, Greeting, Lost, Manifest, ManifestRequest, Proposal,
    RosterRequest, Views,
};
use blindmatch_transport::problem::{Kind, Problem, Reference};
use blindmatch_transport::{
    ChunkSender, Credentials, Directory, Endpoint, Event, Exchange, Frames, Limits, Peer, Server,
    Witness,
};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

pub(crate) const NOW: u64 = 1_795_334_400;
pub(crate) const DAY: u64 = 86_400;
pub(crate) const CONSORTIUM: &str = "example";

/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The keys of one member.
pub(crate) struct Keys {
    pub(crate) name: Name,
    pub(crate) address: SocketAddr,
    seed: u8,
}

impl Keys {
    pub(crate) fn new(name: &str, seed: u8, address: SocketAddr) -> Self {
        let name = name.parse().unwrap();
        Self {
            name,
            address,
            seed,
        }
    }

    pub(crate) fn key(&self, part: u8) -> SigningKey {
        let mut seed = [self.seed; 32];
        seed[0] = part;
        SigningKey::from_bytes(&seed)
    }

    pub(crate) fn identity(&self) -> SigningKey {
        self.key(1)
    }

    /// The TLS key of a delegation's number.
    pub(crate) fn tls(&self, number: u64) -> SigningKey {
        self.key(10 + u8::try_from(number).unwrap())
    }

    pub(crate) fn card(&self) -> Card {
        let member = Member {
            name: self.name.clone(),
            role: Role::Provider,
            witness: true,
            address: self.address.to_string().parse().unwrap(),
            identity: self.identity().verifying_key(),
            hpke: HpkeKey([self.seed; 32].map(|byte| byte & 0x7f)),
        };
        Card::sign(&member, &self.identity()).unwrap()
    }

    pub(crate) fn terms(&self, number: u64) -> Terms {
        let tls = self.tls(number).verifying_key();
        Terms {
            consortium: CONSORTIUM.parse().unwrap(),
            member: self.name.clone(),
            number,
            first_valid: 1,
            not_before: NOW - DAY,
            expires: NOW + 20 * DAY,
            identity: self.identity().verifying_key(),
            keys: NodeKeys {
                tls: Digest::of(&spki(&tls.to_bytes())),
                receipts: self.key(2).verifying_key(),
                checkpoints: self.key(3).verifying_key(),
                hpke: HpkeKey([self.seed / 2; 32]),
            },
        }
    }

    pub(crate) fn sign(&self, terms: &Terms) -> Delegation {
        let request = terms.request(&self.key(2), &self.key(3)).unwrap();
        Delegation::sign(request.as_bytes(), &self.identity()).unwrap()
    }

    pub(crate) fn delegation(&self, number: u64) -> Delegation {
        self.sign(&self.terms(number))
    }

    pub(crate) fn credentials(&self, number: u64) -> Credentials {
        self.credentials_of(number, self.delegation(number))
    }

    pub(crate) fn credentials_of(&self, number: u64, delegation: Delegation) -> Credentials {
        let seed = Zeroizing::new(self.tls(number).to_bytes());
        Credentials::new(&seed, delegation).unwrap()
    }
}

pub(crate) fn spki(key: &[u8; 32]) -> Vec<u8> {
    [ED25519_SPKI.as_slice(), key].concat()
}

/// A roster of these members; the number tells rosters apart.
pub(crate) fn roster(members: &[&Keys]) -> Roster {
    let [keys, next_keys] = [1, 2].map(|seed| KeySet {
        threshold: 1,
        keys: vec![
            Signer::new(&format!("admin{seed}"), &[seed; 32])
                .unwrap()
                .note_key(),
        ],
    });
    let in_force = (NOW - DAY, NOW + 90 * DAY);
    let consortium = CONSORTIUM.parse().unwrap();
    let mut draft = Draft::first(consortium, in_force, keys, next_keys);
    for member in members {
        draft.add(&member.card(), true).unwrap();
    }
    Roster::new(&draft).unwrap()
}

/// What is known of these members by their first delegations.
pub(crate) fn delegations(roster: &Roster, members: &[&Keys]) -> Delegations {
    let mut known = Delegations::default();
    for member in members {
        let delegation = member.delegation(1).to_string();
        assert_eq!(known.accept(roster, delegation.as_bytes(), NOW), Ok(true));
    }
    known
}

/// A clock that tests move.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn handle(&self) -> blindmatch_transport::Clock {
        let clock = self.clone();
        Arc::new(move || clock.0.load(Ordering::SeqCst))
    }
}

/// A node of one member, with everything that happens to it.
pub(crate) struct Node {
    pub(crate) keys: Arc<Keys>,
    pub(crate) directory: Directory,
    pub(crate) endpoint: Endpoint,
    pub(crate) exchange: Arc<Answers>,
    pub(crate) server: Option<Server>,
    pub(crate) events: Mutex<mpsc::UnboundedReceiver<Event>>,
}

/// Nodes that know each other.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) nodes: Vec<Node>,
}

impl World {
    /// Two nodes under the default limits.
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default(), &["acme", "kilo"]).await
    }

    pub(crate) async fn with(limits: Limits, names: &[&str]) -> Self {
        let clock = Clock::new();
        let mut listeners = Vec::new();
        for _ in names {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let keys = names.iter().zip(&listeners).zip(1..);
        let keys: Vec<Arc<Keys>> = keys
            .map(|((name, listener), seed)| {
                Arc::new(Keys::new(name, 16 * seed, listener.local_addr().unwrap()))
            })
            .collect();
        let members: Vec<&Keys> = keys.iter().map(Arc::as_ref).collect();
        let roster = roster(&members);
        let known = delegations(&roster, &members);
        let mut nodes = Vec::new();
        for (keys, listener) in keys.iter().zip(listeners) {
            let directory = Directory::new(roster.clone(), known.clone());
            let (sender, events) = mpsc::unbounded_channel();
            let endpoint = Endpoint::new(directory.clone(), keys.credentials(1), limits.clone())
                .with_clock(clock.handle())
                .with_events(Arc::new(move |event| {
                    let _ = sender.send(event);
                }));
            let exchange = Arc::new(Answers::new());
            let server = endpoint.serve(listener, Arc::clone(&exchange));
            nodes.push(Node {
                keys: Arc::clone(keys),
                directory,
                endpoint,
                exchange,
                server: Some(server),
                events: Mutex::new(events),
            });
        }
        Self { clock, nodes }
    }

    /// The one that dials, and the one that is dialled.
    pub(crate) fn pair(&self) -> (&Node, &Node) {
        (&self.nodes[0], &self.nodes[1])
    }
}

impl Node {
    /// The next event that `wanted` picks; the test fails if it never comes.
    pub(crate) async fn event<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let event = self.events.lock().unwrap().try_recv();
                match event {
                    Ok(event) => {
                        if let Some(found) = wanted(&event) {
                            return found;
                        }
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
        .await
        .expect("the event comes")
    }

    /// Why the next connection was refused.
    pub(crate) async fn refusal(&self) -> blindmatch_transport::Refusal {
        self.event(|event| match event {
            Event::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        })
        .await
    }
}

/// A node's answers: what they are does not matter here, but that they arrive.
pub(crate) struct Answers {
    /// Streams on which this node may ask its peers to cosign.
    pub(crate) witnesses: Mutex<Vec<(Name, Witness)>>,
    /// What was said at the end of each run, on this side.
    pub(crate) exporters: Mutex<Vec<([u8; 32], [u8; 32])>>,
    /// How sending each file ended.
    pub(crate) files: Mutex<Vec<Result<(), Problem>>>,
    /// Calls of `views` wait for one of these, as for slow work.
    pub(crate) hold: tokio::sync::Semaphore,
    waiting: AtomicUsize,
    resting: AtomicBool,
}

/// A run whose side here is at work and takes no frames.
pub(crate) const BUSY_RUN: [u8; 32] = [9; 32];

pub(crate) const FILE: usize = 1_000_000;

pub(crate) fn file() -> Bytes {
    (0..FILE)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

pub(crate) fn greeting(roster: u64) -> Greeting {
    Greeting {
        versions: vec![1],
        roster,
        delegations: vec![Bytes::from_static(b"a note")],
    }
}

impl Exchange for Answers {
    async fn hello(&self, _: &Peer, greeting: Greeting) -> Result<Greeting, Problem> {
        Ok(Greeting {
            roster: greeting.roster + 1,
            ..greeting
        })
    }

    async fn roster(&self, _: &Peer, request: RosterRequest) -> Result<Bytes, Problem> {
        match request.number {
            0 => Ok(file()),
            _ => Err(Kind::NotFound.into()),
        }
    }

    async fn views(&self, _: &Peer) -> Result<Views, Problem> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.hold.acquire().await.unwrap().forget();
        Ok(Views(Vec::new()))
    }

    async fn manifest(&self, peer: &Peer, request: ManifestRequest) -> Result<Manifest, Problem> {
        if request.view == "secret" {
            return Err(Problem::new(Kind::NotAllowed)
                .by_rule(format!("peers.{}.views", peer.member().as_str()))
                .with_reference(Reference(*b"12345678")));
        }
        Ok(Manifest {
            manifest: Bytes::from(request.view),
            proof: Bytes::from_static(b"a proof"),
            consistency: vec![[7; 32]; 3],
            lost: Some(Lost {
                index: 5,
                record: request.checkpoint,
            }),
        })
    }

    async fn file(&self, _: &Peer, request: FileRequest, to: ChunkSender) -> Result<(), Problem> {
        let file = file();
        let total = u64::try_from(file.len()).unwrap();
        let offset = usize::try_from(request.offset).map_err(|_| Kind::NotFound)?;
        if offset > file.len() {
            return Err(Kind::NotFound.into());
        }
        let sent = to.send(total, request.offset, file.slice(offset..)).await;
        self.files.lock().unwrap().push(sent.clone());
        sent
    }

    async fn propose(&self, _: &Peer, Proposal(proposal): Proposal) -> Result<Answer, Problem> {
        Ok(if proposal.starts_with(b"no") {
            Answer::Refusal(proposal)
        } else {
            Answer::Agreement(proposal)
        })
    }

    /// Sends each frame back, and ends with the peer; or looks at none until it is let.
    async fn run(&self, peer: &Peer, mut frames: Frames) -> Result<(), Problem> {
        if *frames.run() == BUSY_RUN {
            self.hold.acquire().await.unwrap().forget();
            while frames.receive().await?.is_some() {}
            return Ok(());
        }
        assert_eq!(
            peer.exporter(frames.run()).as_ref(),
            Some(frames.exporter())
        );
        let exporter = (*frames.run(), *frames.exporter());
        self.exporters.lock().unwrap().push(exporter);
        while let Some(frame) = frames.receive().await? {
            if &*frame == b"over" {
                return Err(Kind::EpochOver.into());
            }
            frames.send(frame).await?;
        }
        Ok(())
    }

    async fn cosign(&self, peer: &Peer, request: Bytes) -> Cosigned {
        let body = [peer.member().as_str().as_bytes(), b" asks ", &request].concat();
        Cosigned {
            status: 200,
            body: body.into(),
        }
    }

    fn is_serving(&self) -> bool {
        !self.resting.load(Ordering::SeqCst)
    }

    fn witness(&self, peer: &Peer, witness: Witness) {
        let mut witnesses = self.witnesses.lock().unwrap();
        witnesses.push((peer.member().clone(), witness));
    }
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            witnesses: Mutex::default(),
            exporters: Mutex::default(),
            files: Mutex::default(),
            hold: tokio::sync::Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            resting: AtomicBool::new(false),
        }
    }

    /// From now on it says that it does not serve.
    pub(crate) fn rests(&self) {
        self.resting.store(true, Ordering::SeqCst);
    }

    /// How many calls have come to wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// The stream on which a peer may be asked.
    pub(crate) async fn witness_of(&self, name: &Name) -> Witness {
        loop {
            let found = self
                .witnesses
                .lock()
                .unwrap()
                .iter()
                .rev()
                .find_map(|(member, witness)| (member == name).then(|| witness.clone()));
            match found {
                Some(witness) => return witness,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }
}
