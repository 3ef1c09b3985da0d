//! What is wrong with a node, or soon will be, and what to do about it.

use std::collections::BTreeMap;
use std::{fmt, iter};

use blindmatch_indicator::{Canonicaliser, IndicatorType};
use blindmatch_membership::{Delegations, Digest};
use blindmatch_policy::Severity;
use blindmatch_store::collection::{CollectionName, Contents};
use blindmatch_store::home::HomeError;
use blindmatch_store::keys::{FileId, KeyError};
use blindmatch_store::ledger::Log;
use blindmatch_store::runs;
use blindmatch_store::views::Views;

use crate::collections::{contents, under_other_key};
use crate::error::Error;
use crate::expiry::{Expiring, Expiry, days_left};
use crate::kernels;
use crate::ledger::check_clock;
use crate::node::{Node, PEERS};
use crate::node_keys::Standing;
use crate::payment::PaymentKeyId;
use crate::roster::ceremony::SUFFIXES;
use crate::shell::quoted_path;
use crate::versions::Behind;

/// Less free space than this is told: a segment of the ledger and a sort want their place.
const LITTLE_SPACE: u64 = 1 << 30;

/// One thing that was looked at, and what is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    /// How bad it is.
    pub state: State,
    /// What is the case.
    pub what: String,
    /// What to do.
    pub next: Vec<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Fine,
    /// It will be wrong soon, or is not as safe as it could be.
    Warning,
    /// Something does not work.
    Wrong,
}

/// Ends what commands that were cut short left half done, as far as nobody has to be asked, and brings
/// values of an older canonical form to the one in force, as far as they say how. Gives what it
/// destroyed.
///
/// Where `discard_damaged`, which is the operator's word, it also destroys what is damaged of runs,
/// views, the peers' delegations and the checkpoints of theirs that this node cosigned, and the keys of
/// files that are gone.
///
/// # Errors
///
/// Those of opening the node and its ledger, and those of the disk; [`Error::Collection`].
pub fn repair(
    node: &Node,
    canonicaliser: &Canonicaliser,
    discard_damaged: bool,
) -> Result<Vec<Finding>, Error> {
    let (log, _) = node.ledger()?;
    let mut done = Vec::new();
    let mut destroyed = |error: &dyn fmt::Display| {
        let what = format!("{error}; it is destroyed");
        done.push(Finding::warning(&what, &[]).about("repair"));
    };
    if discard_damaged {
        let peers = node.peers().map(drop);
        let peers = peers.and_then(|()| node.check_peers_kept(&log.log()));
        if let Err(error @ (Error::Peers(_) | Error::PeersLost(_))) = peers {
            // A file that says that none is known: that there is none is noticed.
            node.publish(PEERS, &Delegations::default().encode())?;
            destroyed(&error);
        }
        node.discard_witnessed()?
            .iter()
            .for_each(|error| destroyed(error));
        for (_, error) in Views::discard_damaged(node.home())? {
            destroyed(&error);
        }
        let damaged = runs::discard_damaged(node.home(), &log, node.now(), &mut rand::rng())?;
        for (_, error) in damaged {
            destroyed(&error);
        }
        // What it opens may only have been moved away.
        if let Some(used) = node.file_keys_in_use()? {
            let keys = node.home().file_keys();
            for id in file_keys_of(node)? {
                if !used.contains(&id) {
                    keys.destroy(id).map_err(|error| file_key(id, error))?;
                    destroyed(&format!("keys/files/{id} opened nothing"));
                }
            }
        }
    }
    node.recode(canonicaliser, node.now())?;
    Ok(done)
}

/// Looks at everything in the home, where it opens, by the tables that `canonicaliser` uses.
#[must_use]
pub fn examine(node: Result<Node, Error>, canonicaliser: &Canonicaliser) -> Vec<Finding> {
    let node = match node {
        Ok(node) => node,
        Err(error) => return vec![Finding::wrong("home", &error)],
    };
    let modes = modes(&node).unwrap_or_else(|error| Finding::wrong("home", &error));
    let mut findings = vec![modes];
    let looks: [(&'static str, At); 15] = [
        ("storage key", storage_key),
        ("keys", keys),
        ("file keys", file_keys),
        ("identity", identity),
        ("delegation", delegation),
        ("roster", roster),
        ("peers", peers),
        ("tables", tables),
        ("exclusions", exclusions),
        ("policy", policy),
        ("collections", collections),
        ("views", views),
        ("runs", runs),
        ("ledger", ledger),
        ("witnesses", witnesses),
    ];
    let look = Look {
        node: &node,
        canonicaliser,
        now: node.now(),
    };
    for (about, at) in looks {
        match at(&look) {
            Ok(found) => findings.extend(found.into_iter().map(|found| found.about(about))),
            Err(error) => findings.push(Finding::wrong(about, &error)),
        }
    }
    findings.push(Finding::fine("kernels", kernels::described()));
    findings.push(space(&node).unwrap_or_else(|error| Finding::wrong("disk", &error)));
    findings
}

struct Look<'a> {
    node: &'a Node,
    canonicaliser: &'a Canonicaliser,
    now: u64,
}

impl Look<'_> {
    /// Whether `status` and the log warn of it too.
    fn is_soon(&self, what: Expiring, at: u64) -> bool {
        Expiry { what, at }.due(self.now).is_some()
    }
}

type At = fn(&Look<'_>) -> Looked;
type Looked = Result<Vec<Finding>, Error>;

fn modes(node: &Node) -> Result<Finding, Error> {
    let open = node.home().readable_by_others()?;
    Ok(match open.as_slice() {
        [] => Finding::fine("home", "readable by its owner alone"),
        [first, rest @ ..] => {
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let what = format!(
                "others may read {}{more}, if they get into the home",
                first.display()
            );
            let next = format!("chmod -R go= {}", quoted_path(node.disk().root()));
            Finding::warning(&what, &[&next]).about("home")
        }
    })
}

fn storage_key(look: &Look<'_>) -> Looked {
    Ok(vec![if look.node.is_storage_key_exported()? {
        Finding::fine("", "was exported")
    } else {
        Finding::warning(
            "was never exported: should this disk die, no backup can be read",
            &["blindmatch keys export storage --to FILE"],
        )
    }])
}

fn keys(look: &Look<'_>) -> Looked {
    let (count, refused) = look.node.check_keys()?;
    let mut found: Vec<_> = refused
        .iter()
        .map(|error| Finding::wrong("", error))
        .collect();
    let (stale, requested) = look.node.idle_keys()?;
    if !stale.is_empty() {
        found.push(Finding::warning(
            &format!(
                "{} of delegations that are not in force are not destroyed yet",
                stale.len()
            ),
            &["blindmatch doctor --repair"],
        ));
    }
    if let Some(number) = requested {
        found.push(Finding::warning(
            &format!("those for delegation number {number} are made, and it is not here yet"),
            &[
                "blindmatch keys rotate --delegation FILE",
                "or make others: blindmatch keys rotate",
            ],
        ));
    }
    if found.is_empty() {
        found.push(Finding::fine(
            "",
            &format!("{count}, each as it was written"),
        ));
    }
    Ok(found)
}

/// The keys of files that can be deleted. What one opens says more about it, if it opens anything.
fn file_keys(look: &Look<'_>) -> Looked {
    let keys = look.node.home().file_keys();
    let used = look.node.file_keys_in_use()?;
    let ids = file_keys_of(look.node)?;
    let mut found = Vec::new();
    for id in &ids {
        if let Err(error) = keys.load(*id) {
            let error = Finding::wrong("", &file_key(*id, error));
            let next = if used.as_ref().is_some_and(|used| !used.contains(id)) {
                "it opens nothing that is here: blindmatch doctor --repair --discard-damaged"
            } else {
                "what it opens is named too, with what to do about it"
            };
            let next = vec![next.to_owned()];
            found.push(Finding { next, ..error });
        }
    }
    match look.node.files_gone()? {
        0 => {}
        gone => found.push(Finding::wrong("", &Error::FilesGone(gone))),
    }
    if found.is_empty() {
        found.push(Finding::fine("", &format!("{}, each opens", ids.len())));
    }
    Ok(found)
}

fn file_keys_of(node: &Node) -> Result<Vec<FileId>, Error> {
    let ids = node.home().file_keys().list();
    ids.map_err(|error| Error::Key("files".to_owned(), error))
}

fn file_key(id: FileId, error: KeyError) -> Error {
    Error::Key(format!("files/{id}"), error)
}

fn identity(look: &Look<'_>) -> Looked {
    let mut found = Vec::new();
    if look.node.has_identity()? {
        found.push(Finding::warning(
            "its key is in the home, and belongs offline: whoever has it is this member",
            &["blindmatch keys export identity --to FILE --remove"],
        ));
    }
    if !look.node.card_is_current()? {
        found.push(Finding::warning(
            "the card says other than blindmatch.toml",
            &["give the administrator a new one: blindmatch card"],
        ));
    }
    if found.is_empty() {
        found.push(Finding::fine("", "its key is offline"));
    }
    Ok(found)
}

fn delegation(look: &Look<'_>) -> Looked {
    let node = look.node;
    let own = node.delegation()?;
    let rotate = [if node.has_identity()? {
        "blindmatch keys rotate"
    } else {
        "blindmatch keys rotate --identity FILE"
    }];
    let mut found = vec![match days_left(own.expires, look.now) {
        None => Finding::of(
            State::Wrong,
            "has expired: no peer accepts this node",
            &rotate,
        ),
        Some(days) if look.is_soon(Expiring::Delegation, own.expires) => {
            Finding::warning(&format!("expires in {days} days"), &rotate)
        }
        Some(days) => Finding::fine("", &format!("number {}, {days} days left", own.number)),
    }];
    let standing = match node.standing(&own)? {
        Standing::Newest => return Ok(found),
        Standing::Revoked(by) => Finding::of(
            State::Wrong,
            &format!(
                "number {}, which is in use, is revoked by number {by}, whose keys are lost: no peer \
                 accepts this node",
                own.number
            ),
            &rotate,
        ),
        Standing::Superseded(by) => Finding::warning(
            &format!(
                "number {} is in use, because the keys of number {by} are lost",
                own.number
            ),
            &rotate,
        ),
        Standing::Restored => Finding::warning(
            &format!(
                "number {} came with the backup: where it was revoked since, no peer accepts this \
                 node",
                own.number
            ),
            &rotate,
        ),
    };
    // How long it would have held is no matter then.
    found.retain(|found| found.state != State::Fine);
    found.push(standing);
    Ok(found)
}

fn roster(look: &Look<'_>) -> Looked {
    let trust = look.node.trust()?;
    let Some(held) = trust.held() else {
        let (log, _) = look.node.log()?;
        look.node.check_roster_kept(&log)?;
        let next = [
            "blindmatch roster trust WORDS",
            "blindmatch roster install FILE",
        ];
        return Ok(vec![Finding::warning("none is installed yet", &next)]);
    };
    let roster = held.roster();
    let next = ["ask an administrator for the next one, then: blindmatch roster install FILE"];
    let mut found = vec![match days_left(roster.expires, look.now) {
        None => Finding::of(State::Wrong, "has expired: every run is refused", &next),
        Some(days) if look.is_soon(Expiring::Roster, roster.expires) => {
            Finding::warning(&format!("expires in {days} days"), &next)
        }
        Some(days) => Finding::fine("", &format!("number {}, {days} days left", roster.number)),
    }];
    if !look.node.is_listed_in(roster)? {
        found.push(Finding::of(
            State::Wrong,
            "does not list this node with its identity",
            &["give the administrator the card: blindmatch card"],
        ));
    }
    let own = &look.node.config().node;
    let listed = roster.members.get(&own.member);
    if listed.is_some_and(|listed| listed.address != own.address || listed.role != own.role) {
        found.push(Finding::warning(
            "says another role or address than blindmatch.toml",
            &["give the administrator a new card: blindmatch card"],
        ));
    }
    Ok(found)
}

fn peers(look: &Look<'_>) -> Looked {
    look.node.peers()?;
    let (log, _) = look.node.log()?;
    look.node.check_peers_kept(&log)?;
    let (kept, lost) = look.node.check_witnessed(&log)?;
    if !lost.is_empty() {
        let lost = lost.iter().map(|error| Finding {
            state: State::Warning,
            ..Finding::wrong("", error)
        });
        return Ok(lost.collect());
    }
    let what = match kept {
        0 => "their delegations, each as it was signed".to_owned(),
        ledgers => format!(
            "their delegations, each as it was signed; the newest checkpoints of {ledgers} ledgers that \
             this node cosigned"
        ),
    };
    Ok(vec![Finding::fine("", &what)])
}

fn tables(look: &Look<'_>) -> Looked {
    let trust = look.node.trust()?;
    let named = trust.held().and_then(|held| {
        let mut tables = held.roster().tables.iter();
        tables.find(|(name, _)| name.as_str() == SUFFIXES)
    });
    Ok(vec![match named {
        Some((_, digest)) if *digest != Digest(*look.canonicaliser.suffixes().sha256()) => {
            Finding::of(
                State::Wrong,
                "the public suffix list is another than the roster names: domains match nobody's",
                &["install the version of blindmatch that the consortium uses"],
            )
        }
        Some(_) => Finding::fine("", "as the roster names them"),
        None => Finding::fine("", "no roster names any yet"),
    }])
}

fn exclusions(look: &Look<'_>) -> Looked {
    look.node.check_exclusions()?;
    Ok(vec![Finding::fine(
        "",
        "all that the roster names are here",
    )])
}

fn policy(look: &Look<'_>) -> Looked {
    let policy = look.node.policy()?;
    let findings = look.node.check_policy(&policy)?;
    let mut found: Vec<_> = findings
        .iter()
        .map(|finding| {
            let state = match finding.severity() {
                Severity::Error => State::Wrong,
                Severity::Warning => State::Warning,
            };
            Finding::of(state, &finding.to_string(), &["blindmatch policy check"])
        })
        .collect();
    let (log, _) = look.node.log()?;
    if !look.node.is_policy_recorded(&log)? {
        found.push(Finding::warning(
            "policy.toml or blindmatch.toml is not the one that the ledger last recorded",
            &[
                "was it you who changed it? then record it: blindmatch doctor --repair",
                "if not, look at both, and: blindmatch policy check",
            ],
        ));
    }
    if found.is_empty() {
        found.push(Finding::fine("", "in order"));
    }
    Ok(found)
}

fn collections(look: &Look<'_>) -> Looked {
    let collections = look.node.collections()?;
    let names = collections.names()?;
    let count = names.len();
    let mut found = Vec::new();
    for name in names {
        let read = contents(&collections, name).and_then(|contents| {
            // A key that is damaged was told of with the keys.
            if let Ok(key) = look.node.payment_key() {
                found.extend(stale_cards(&contents, key.map(|key| key.id())));
            }
            let verified = collections.verify(&contents);
            verified.map_err(|error| Error::Collection(contents.name.clone(), error))?;
            let behind = look
                .node
                .behind(&collections, &contents, look.canonicaliser, look.now)?;
            Ok((contents.name, behind))
        });
        match read {
            Ok((name, behind)) => found.extend(old_forms(&name, &behind)),
            Err(error) => found.push(Finding::wrong("", &error)),
        }
    }
    if found.is_empty() {
        found = read_whole(iter::empty(), count);
    }
    Ok(found)
}

/// Card numbers that match nobody's, because they are hashed under another payment key.
fn stale_cards(contents: &Contents, key: Option<PaymentKeyId>) -> impl Iterator<Item = Finding> {
    under_other_key(contents, key).map(|source| {
        let name = &contents.name;
        let what = format!(
            "{name}: the card numbers of the source {source} are hashed under another payment key \
             than this node's, and match none"
        );
        let next = format!(
            "import all of it again: blindmatch import --collection {name} --source {source} FILE"
        );
        Finding::warning(&what, &[&next])
    })
}

/// What a collection has in a canonical form that is not in force.
fn old_forms(name: &CollectionName, behind: &Behind) -> Vec<Finding> {
    let of = |counts: &BTreeMap<IndicatorType, u64>| {
        let counts = counts.iter();
        let mut counts: Vec<_> = counts
            .map(|(kind, count)| format!("{count} of {kind}"))
            .collect();
        counts.sort();
        counts.join(", ")
    };
    let mut found = Vec::new();
    if !behind.recodable.is_empty() {
        let what = format!(
            "{name}: {} have an older canonical form, and match nobody's",
            of(&behind.recodable)
        );
        found.push(Finding::of(
            State::Wrong,
            &what,
            &["blindmatch doctor --repair"],
        ));
    }
    if !behind.lost.is_empty() {
        let what = format!(
            "{name}: {} have an older canonical form that does not say the one in force, and match \
             nobody's",
            of(&behind.lost)
        );
        let again = format!(
            "import their sources again: blindmatch import --collection {name} --source SOURCE FILE"
        );
        found.push(Finding::of(State::Wrong, &what, &[&again]));
    }
    found
}

fn views(look: &Look<'_>) -> Looked {
    let home = look.node.home();
    let damaged = Views::examine(home)?.into_iter();
    let damaged = damaged.map(|(_, error)| Error::View(error));
    Ok(read_whole(damaged, Views::key_ids(home)?.len()))
}

fn runs(look: &Look<'_>) -> Looked {
    let home = look.node.home();
    let (log, _) = look.node.log()?;
    let damaged = runs::examine(home, &log, look.now)?.into_iter();
    let damaged = damaged.map(|(_, error)| Error::Run(error));
    // Each has two.
    Ok(read_whole(damaged, runs::key_ids(home)?.len() / 2))
}

/// What is wrong with some of `count`, all of which were read.
fn read_whole(damaged: impl Iterator<Item = Error>, count: usize) -> Vec<Finding> {
    let mut found: Vec<_> = damaged.map(|error| Finding::wrong("", &error)).collect();
    if found.is_empty() {
        let what = format!("{count}, each read whole and in order");
        found.push(Finding::fine("", &what));
    }
    found
}

fn ledger(look: &Look<'_>) -> Looked {
    let (log, tail, half_done) = look.node.verify_ledger()?;
    let mut found = vec![Finding::fine(
        "",
        &format!("{} records, all in order", log.size()),
    )];
    for half_done in half_done {
        found.push(Finding::of(
            State::Wrong,
            &half_done.to_string(),
            &[half_done.next()],
        ));
    }
    if tail.torn.is_some() {
        found.push(Finding::warning(
            "a crash left part of an append that nobody was told of; it is cut off at the next one",
            &[],
        ));
    }
    // Read behind the log: a `serve` beside this may have written to it since the looking began.
    if let Err(error) = check_clock(&log, look.node.now()) {
        found.push(Finding::wrong("", &error));
    }
    found.extend(equivocations(look, &log)?);
    Ok(found)
}

/// No record says whether its checkpoints were ever cosigned.
fn witnesses(look: &Look<'_>) -> Looked {
    let (log, _) = look.node.log()?;
    if let Some(shown) = look.node.shown(&log)? {
        return Ok(vec![Finding::wrong("", &Error::NotNewest(Box::new(shown)))]);
    }
    Ok(vec![if look.node.is_not_cosigned(&log)? {
        Finding::warning(
            "no checkpoint is kept as cosigned: none was yet, or ledger/cosigned is lost",
            &["was one before? then put ledger/cosigned back from a copy of the home"],
        )
    } else {
        Finding::fine("", "what they have to have cosigned is kept")
    }])
}

/// The members that told two stories.
fn equivocations(look: &Look<'_>, log: &Log) -> Looked {
    let (mut found, trust) = (Vec::new(), look.node.trust()?);
    let members = trust.held().into_iter();
    for peer in members.flat_map(|held| held.roster().members.keys()) {
        if let Some(record) = look.node.equivocation(log, peer)? {
            let compare = format!(
                "compare roster/equivocation-1-{peer} and roster/equivocation-2-{peer} with what other \
                 members have"
            );
            let readmit = format!("to have it asked again: blindmatch roster readmit {peer}");
            found.push(Finding::of(
                State::Wrong,
                &format!("{peer} told two stories, by record {record}: it is not asked any more"),
                &[&compare, &readmit],
            ));
        }
    }
    Ok(found)
}

fn space(node: &Node) -> Result<Finding, Error> {
    let free = node.disk().free_space().map_err(HomeError::Disk)?;
    let gibibytes = free >> 30;
    Ok(if free < LITTLE_SPACE {
        Finding::warning(
            &format!("{} MiB are free", free >> 20),
            &["make room before the next import"],
        )
        .about("disk")
    } else {
        Finding::fine("disk", &format!("{gibibytes} GiB free"))
    })
}

impl Finding {
    fn of(state: State, what: &str, next: &[&str]) -> Self {
        Self {
            about: "",
            state,
            what: what.to_owned(),
            next: next.iter().map(|&next| next.to_owned()).collect(),
        }
    }

    fn fine(about: &'static str, what: &str) -> Self {
        Self::of(State::Fine, what, &[]).about(about)
    }

    fn warning(what: &str, next: &[&str]) -> Self {
        Self::of(State::Warning, what, next)
    }

    fn wrong(about: &'static str, error: &Error) -> Self {
        Self {
            about,
            state: State::Wrong,
            what: error.to_string(),
            next: error.hints(),
        }
    }

    fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}
