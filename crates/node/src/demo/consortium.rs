//! Several nodes of one consortium, made in one folder as they would be on several machines.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use blindmatch_feeds::{Exclusions, Refused, Row, Sieve};
use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};
use blindmatch_membership::{Delegations, Digest, KeySet, Name, Role, Roster};
use blindmatch_store::collection::{
    CollectionKind, Collections, Contents, ImportPlan, Mode, SourceName,
};

use super::{COLLECTION, policy};
use crate::collections::{Wanted, contents};
use crate::error::Error;
use crate::import::{ImportError, Report, import};
use crate::init::init;
use crate::node::Node;
use crate::roster::ceremony::{self, Adding, Beginning, SUFFIXES, Terms};
use crate::{clock, config, files};

/// The name of the consortium.
const NAME: &str = "demo";
const LIFETIME: u64 = 180 * 86_400;

/// Members of one consortium whose nodes are all here, enrolled and ready to run.
#[derive(Debug)]
pub struct Consortium {
    folder: PathBuf,
    policy: String,
    pub(super) delegations: Delegations,
    /// The roster in force, which every node has installed.
    pub roster: Roster,
    /// The members, by name: providers and witnesses, all of them.
    pub members: BTreeMap<Name, Member>,
}

/// One of them.
#[derive(Debug)]
pub struct Member {
    /// Its node.
    pub node: Node,
    /// Listens at the address of its card already, so that nobody else takes the port.
    pub listener: TcpListener,
}

/// Where a member's sets are imported.
pub struct Desk {
    collections: Arc<Collections>,
    exclusions: Exclusions,
    canonicaliser: Canonicaliser,
    plan: ImportPlan,
}

impl Consortium {
    /// Makes the nodes of these members under `folder`, which is made where it is missing, and
    /// enrols them. `suffixes` names the public suffix list.
    ///
    /// # Errors
    ///
    /// Those of the commands that this stands for; [`Error::Port`].
    pub fn found(folder: &Path, names: &[Name], suffixes: Digest) -> Result<Self, Error> {
        let office = folder.join("administrators");
        for made in [folder, &office, &folder.join("nodes")] {
            directory(made)?;
        }
        let mut members = BTreeMap::new();
        for name in names {
            let member = Member::init(folder, name)?;
            let card = member.node.card()?;
            let file = office.join(format!("{name}.card"));
            files::write_new(&file, card.to_string().as_bytes())?;
            members.insert(name.clone(), member);
        }
        let file = sign_roster(&office, names, suffixes)?;
        // The words of its fingerprint are what each operator is told.
        let fingerprint = ceremony::read(&file)?.roster().fingerprint();
        let policy = policy::lenient(IndicatorType::Pan, clock::now());
        for Member { node, .. } in members.values() {
            node.trust_fingerprint(fingerprint)?;
            node.install_roster(&node.ledger()?.0, &file)?;
        }
        let roster = ceremony::read(&file)?.roster().clone();
        let delegations = introduce(&roster, &members)?;
        let consortium = Self {
            folder: folder.to_owned(),
            policy,
            delegations,
            roster,
            members,
        };
        consortium.publish_policy()?;
        Ok(consortium)
    }

    /// Where everything is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The home of a member's node.
    #[must_use]
    pub fn home(&self, member: &Name) -> PathBuf {
        home(&self.folder, member)
    }

    /// The delegations of all members, which each of them has to know.
    #[must_use]
    pub const fn delegations(&self) -> &Delegations {
        &self.delegations
    }

    /// The policy of every member.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Gives every member the payment key that the first one makes: from then on they take whole
    /// card numbers, and refuse their weak forms.
    ///
    /// # Errors
    ///
    /// Those of the commands `keys payment new`, `wrap` and `install`.
    pub fn share_payment_key(&mut self) -> Result<(), Error> {
        let Some((custodian, first)) = self.members.first_key_value() else {
            return Ok(());
        };
        let mut rng = rand::rng();
        first.node.new_payment_key(false, &mut rng)?;
        for (name, member) in self.members.iter().skip(1) {
            let file = self.folder.join(format!("administrators/{name}.payment"));
            first.node.wrap_payment_key(name, &file, None, &mut rng)?;
            member.node.install_payment_key(custodian, &file, false)?;
        }
        self.policy = policy::lenient(IndicatorType::CardWeak, clock::now());
        self.publish_policy()
    }

    /// Writes the policy of every member, and reads it as its node will.
    fn publish_policy(&self) -> Result<(), Error> {
        for Member { node, .. } in self.members.values() {
            node.publish(crate::policy::FILE, self.policy.as_bytes())?;
            node.policy()?;
        }
        Ok(())
    }
}

impl Member {
    fn init(folder: &Path, name: &Name) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?.to_string();
        let who = config::Node {
            member: name.clone(),
            role: Role::Provider,
            consortium: fixed(NAME)?,
            address: fixed(&address)?,
        };
        Ok(Self {
            node: init(&home(folder, name), &who)?,
            listener,
        })
    }

    /// Opens the desk at which sets of this member are imported.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`], and those of keys and lists of exclusions.
    pub fn desk(&self, canonicaliser: &Canonicaliser) -> Result<Desk, Error> {
        let canonicaliser = self.node.with_payment_key(canonicaliser.clone())?;
        Ok(Desk {
            collections: self.node.collections()?,
            exclusions: self.node.exclusions(&canonicaliser)?,
            plan: self.node.import_plan(Wanted {
                collection: fixed(COLLECTION)?,
                kind: Some(CollectionKind::Abuse),
                source: fixed("main")?,
                mode: Mode::Replace,
                allow_shrink: false,
                discard_damaged: false,
            })?,
            canonicaliser,
        })
    }

    /// What the member's collection consists of; nothing where none was imported.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn contents(&self) -> Result<Option<Contents>, Error> {
        let collections = self.node.collections()?;
        let name = fixed(COLLECTION)?;
        if collections.names()?.contains(&name) {
            contents(&collections, name).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl Desk {
    /// Imports what `read` hands out as the source of this name, among what abuses; `refused` is
    /// told of each value that is refused.
    ///
    /// # Errors
    ///
    /// An [`ImportError`]; nothing has changed then.
    pub fn import<T, E>(
        &self,
        source: SourceName,
        read: impl FnOnce(&Canonicaliser, &mut dyn FnMut(&Row<'_>)) -> Result<T, E>,
        refused: &mut dyn FnMut(&Refused<'_>),
    ) -> Result<(Report, T), ImportError<E>> {
        let excluding = |indicator: &Indicator| {
            let excluded = self.exclusions.reason_for(indicator)?;
            Some(excluded.list.name.as_str())
        };
        let plan = ImportPlan {
            source,
            now: clock::now(),
            ..self.plan.clone()
        };
        import(
            &self.collections,
            plan,
            &self.canonicaliser,
            Sieve::new(&self.canonicaliser).excluding(&excluding, rand::random()),
            |sink| read(&self.canonicaliser, sink),
            refused,
            &mut rand::rng(),
        )
    }
}

/// What the administrators do: keys, a roster with every card, a signature.
fn sign_roster(office: &Path, names: &[Name], suffixes: Digest) -> Result<PathBuf, Error> {
    let mut rng = rand::rng();
    let (key, next_key) = (office.join("ada.key"), office.join("eve.key"));
    let one_of_one = |key| KeySet {
        keys: vec![key],
        threshold: 1,
    };
    let beginning = Beginning::First {
        consortium: fixed(NAME)?,
        keys: one_of_one(ceremony::keygen("ada", &key, &mut rng)?),
        next_keys: one_of_one(ceremony::keygen("eve", &next_key, &mut rng)?),
    };
    let now = clock::now();
    let terms = Terms {
        in_force: (now, now + LIFETIME),
        witness_quorum: None,
        tables: BTreeMap::from([(fixed(SUFFIXES)?, suffixes)]),
        // What a set has and another one has too is to be found, whatever it is.
        exclusions: BTreeMap::new(),
    };
    let file = office.join("roster.txt");
    ceremony::begin(beginning, terms, &file)?;
    let cards = names
        .iter()
        .map(|name| ceremony::read_card(&office.join(format!("{name}.card"))));
    let cards: Vec<_> = cards.collect::<Result<_, _>>()?;
    ceremony::add(&file, &cards, Adding::New { witness: true }, None)?;
    ceremony::sign(&file, &key, None)?;
    Ok(file)
}

/// The delegations of all members, as each hands its own to the others.
fn introduce(roster: &Roster, members: &BTreeMap<Name, Member>) -> Result<Delegations, Error> {
    let mut delegations = Delegations::default();
    for member in members.values() {
        let own = member.node.delegation()?.to_string();
        let accepted = delegations.accept(roster, own.as_bytes(), clock::now());
        // It was made a moment ago, for the identity that this roster names.
        accepted.map_err(|_| Error::Damaged(member.node.disk().root().join("roster")))?;
    }
    Ok(delegations)
}

fn home(folder: &Path, member: &Name) -> PathBuf {
    folder.join("nodes").join(member.as_str())
}

pub(super) fn directory(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::File(path.to_owned(), error))
}

/// A name of this program or an address of the system: those are right.
fn fixed<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::KeyName(text.to_owned()))
}
