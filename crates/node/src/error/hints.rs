//! What to do about each error; commands as they are typed.

use std::io;
use std::path::Path;

use blindmatch_audit::checkpoint::{CheckpointError, SuccessionError};
use blindmatch_audit::cosignature::QuorumError;
use blindmatch_audit::note::NoteError;
use blindmatch_audit::proof::RecordProofError;
use blindmatch_audit::replay::ReplayError;
use blindmatch_audit::tree::ProofError;
use blindmatch_membership::{DelegationError, RosterError};
use blindmatch_store::backup::BackupError;
use blindmatch_store::collection::CollectionError;
use blindmatch_store::home::HomeError;
use blindmatch_store::index::FactsError;
use blindmatch_store::keys::KeyError;
use blindmatch_store::ledger::LedgerError;
use blindmatch_store::moment::Moment;
use blindmatch_store::runs::RunError;
use blindmatch_store::views::ViewError;

use super::Error;
use crate::ledger::exported::ExportedError;
use crate::ledger::shown::Shown;
use crate::shell::quoted_path;

/// What destroys what is damaged and is made again, or done without.
const DISCARD: &str = "blindmatch doctor --repair --discard-damaged";

/// What rids a node of a collection.
const DESTROY: &str =
    "or destroy what is left of the collection: blindmatch collections remove NAME";

impl Error {
    /// What to do next, in the order in which to try.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let of_index = match self {
            Self::Index(FactsError::Disk(kind)) => Some(*kind),
            _ => None,
        };
        let kind = self.of_disk().map(io::Error::kind).or(of_index);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) = kind {
            return vec![
                "the disk is full; make room and type the same again; see: df -h".to_owned(),
            ];
        }
        if let Some(error) = self.of_disk()
            && error.kind() == io::ErrorKind::ReadOnlyFilesystem
        {
            let mut hints = vec![
                "the place is mounted read-only, and a home or a file to write has to be writable; see: \
                 findmnt"
                    .to_owned(),
            ];
            if matches!(self, Self::Home(_)) {
                hints.push(
                    "who only reads a home takes its lock too: what is replaced there is destroyed at \
                     once. Without the lock the ledger alone is read: blindmatch ledger verify"
                        .to_owned(),
                );
            }
            return hints;
        }
        if let Some(
            io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory,
        ) = kind
            && !matches!(self, Self::File(..) | Self::Exported(..) | Self::Backup(..))
            && !matches!(self, Self::Collection(_, error) | Self::Collections(error) if error.is_damage())
            && !matches!(self, Self::View(error) if error.is_damage())
            && !matches!(self, Self::Run(error) if error.is_damage())
        {
            return vec![
                "what this program keeps there is gone, or something else stands in its place: put it \
                 back from a copy of the home"
                    .to_owned(),
                format!("or {RESTORE}"),
            ];
        }
        match self {
            Self::Home(error) | Self::Backup(_, BackupError::Home(error)) => home(error),
            Self::Words(..) => {
                vec!["compare the words with those that `keys export` showed".to_owned()]
            }
            Self::OtherStorageKey(_) => vec![
                "name the file that `blindmatch keys export storage --to FILE` wrote for this home"
                    .to_owned(),
            ],
            Self::Unfinished(_) => vec![
                "type the same `init` again: it goes on with what is there".to_owned(),
            ],
            Self::BegunAs { .. } => vec![
                "type the same `init` as then: it goes on with what is there".to_owned(),
                "or make another node with --home DIR".to_owned(),
            ],
            Self::Damaged(_) | Self::OwnCard(_) => vec![RESTORE.to_owned()],
            Self::OwnCardLost(_) => vec![
                "sign it anew with the identity key in the home: blindmatch card".to_owned(),
                "or, where it was exported: blindmatch card --identity FILE".to_owned(),
            ],
            // A roster is trusted anew by the words of its fingerprint, and the ledger takes none that is
            // older than the last one.
            Self::Trust(path) => vec![
                format!("remove it: rm {}", path.display()),
                "then take the newest roster anew, with its words from an administrator: blindmatch \
                 roster trust WORDS, then: blindmatch roster install FILE"
                    .to_owned(),
                format!("or {RESTORE}"),
            ],
            Self::Peers(_) => vec![format!("{DISCARD}; each peer gives them again when it is next met")],
            Self::PeersLost(_) => vec![
                "put it back from a copy of the home".to_owned(),
                format!("or go on without it: {DISCARD}; each peer gives them again when it is next met"),
            ],
            Self::WitnessedLost(_) => vec![
                "put it back from a copy of the home, or let this node serve: it is kept again when that \
                 peer next has its ledger cosigned"
                    .to_owned(),
            ],
            Self::View(error) if error.is_damage() => vec![format!(
                "{DISCARD}; a view of this node's begins a new epoch then, and what was asked of a \
                 peer's is asked and charged again"
            )],
            Self::Run(error) if error.is_damage() => vec![format!(
                "{DISCARD}; what such a run found is lost, the ledger keeps that it ended, and its peer \
                 can be asked again"
            )],
            Self::NotNewest(_) => vec![Shown::NEXT.to_owned()],
            Self::FilesGone(_) => vec![
                "put them back from where they were moved, or from a copy of the home".to_owned(),
                format!(
                    "if they are to be gone, whole collections among them, destroy their keys: {DISCARD}"
                ),
                "a backup without them: blindmatch backup --without-damaged FILE".to_owned(),
            ],
            Self::LedgerOlder(_) => vec![
                "put the newest copy of ledger/ back, all of it: nothing else was changed".to_owned(),
                format!("or {RESTORE}"),
            ],
            Self::Key(name, KeyError::Missing | KeyError::Damaged | KeyError::Foreign)
            | Self::Backup(
                _,
                BackupError::Key {
                    name,
                    error: KeyError::Missing | KeyError::Damaged | KeyError::Foreign,
                },
            ) => damaged_key(name),
            Self::Collections(error) => collection(error),
            Self::Collection(name, error) => {
                let named = |hint: String| {
                    // Of another collection the name is not known.
                    [
                        ("collections remove NAME", format!("collections remove {name}")),
                        ("collections show NAME", format!("collections show {name}")),
                        ("--collection NAME --source", format!("--collection {name} --source")),
                    ]
                    .iter()
                    .fold(hint, |hint, (of_any, of_this)| hint.replace(of_any, of_this))
                };
                collection(error).into_iter().map(named).collect()
            }
            Self::Backup(_, BackupError::Collection(error)) => {
                let mut hints = collection(error);
                if error.is_damage() {
                    hints.insert(
                        0,
                        "back up all other collections: blindmatch backup --without-damaged FILE"
                            .to_owned(),
                    );
                }
                hints
            }
            Self::Pause { .. } => vec![
                "is the clock of this machine right? see: date".to_owned(),
                "if it is, add --expire".to_owned(),
            ],
            Self::ExclusionsMissing(name, digest) => vec![
                format!("ask an administrator for the file whose SHA-256 is {digest}"),
                format!("then: blindmatch exclusions add --name {name} FILE"),
            ],
            Self::ExclusionsChanged(_) => vec![
                "take it out and add it again: blindmatch exclusions remove NAME, then: blindmatch \
                 exclusions add --name NAME FILE"
                    .to_owned(),
            ],
            Self::ExclusionsLost(name) => vec![
                format!("add it again: blindmatch exclusions add --name {name} FILE"),
                format!("or apply it no longer: blindmatch exclusions remove {name}"),
            ],
            Self::ExclusionsExist(name) => vec![format!(
                "to replace it: blindmatch exclusions remove {name}, then add it again"
            )],
            Self::NoExclusions(_) => {
                vec!["see which were: blindmatch exclusions list".to_owned()]
            }
            Self::Index(FactsError::Disk(_)) => vec![
                "is there room on the disk, and may it be written? see: df -h; then type the same again"
                    .to_owned(),
            ],
            Self::Index(_) => vec![
                "it is made again from the ledger: remove it with `rm -r HOME/index` and type the \
                 same again"
                    .to_owned(),
            ],
            Self::Backup(_, BackupError::Exists(_)) => {
                vec!["name a file that does not exist yet; nothing is written over".to_owned()]
            }
            Self::Backup(_, BackupError::Inside(_)) => vec![
                "name a file outside of the home, best on another disk: blindmatch backup FILE"
                    .to_owned(),
            ],
            Self::Backup(_, BackupError::Place(_)) => {
                vec!["name the file to write: blindmatch backup FILE".to_owned()]
            }
            Self::Backup(_, BackupError::Damaged { .. } | BackupError::Content(_)) => {
                vec![RESTORE_OTHER.to_owned()]
            }
            Self::Backup(_, BackupError::OtherKey) => vec![RESTORE_OTHER.to_owned()],
            Self::Backup(_, BackupError::Changed) => {
                vec!["type the same again, once nothing writes that file".to_owned()]
            }
            Self::Backup(_, BackupError::Forked { .. }) => vec![
                "find the node that went on with this ledger; restore a backup of that one: blindmatch \
                 restore --storage-key KEY BACKUP"
                    .to_owned(),
                "is there none? tell the administrators: the member needs a new identity".to_owned(),
            ],
            Self::Backup(path, BackupError::Disk(error)) => unwritten(path, error),
            Self::Ledger(error) | Self::Backup(_, BackupError::Ledger(error)) => ledger(error),
            Self::NoLedgerKey => vec![
                "name the ledger's key with --key KEY; its owner sees it with `blindmatch ledger \
                 checkpoint --output json`"
                    .to_owned(),
            ],
            Self::Proof(_, RecordProofError::Checkpoint(error))
            | Self::Exported(_, ExportedError::Checkpoint(error)) => signature(error),
            Self::Backup(_, BackupError::Witnessed) => vec![
                "were the keys rotated after the backup? then name that delegation too: blindmatch \
                 restore --storage-key KEY --witnessed FILE --delegation FILE BACKUP"
                    .to_owned(),
                "every other member writes it out with `blindmatch roster delegation MEMBER > FILE`"
                    .to_owned(),
                "else ask the witness for its checkpoint of this node's own ledger, which it writes with \
                 `blindmatch ledger witnessed MEMBER > FILE`"
                    .to_owned(),
            ],
            Self::AnothersDelegation(_) => vec![
                "ask another member for those of this one, which it writes out with `blindmatch roster \
                 delegation MEMBER > FILE`"
                    .to_owned(),
            ],
            Self::Known(_, error) => known(error),
            Self::Checkpoint(_, error) => checkpoint(error),
            Self::Exported(_, ExportedError::Quorum(error))
            | Self::Proof(_, RecordProofError::Quorum(error)) => quorum(error),
            Self::Exported(_, ExportedError::Ledger(error)) => ledger(error),
            Self::Exported(_, ExportedError::Known(_, error)) => known(error),
            Self::Exported(
                _,
                ExportedError::Replay(ReplayError::Fork { .. } | ReplayError::Unnamed { .. }),
            ) => known(&SuccessionError::Proof(ProofError::Root)),
            Self::Exported(_, ExportedError::Line(_) | ExportedError::Replay(_)) => vec![
                "it was changed or cut on its way; ask its owner for another, made with `blindmatch \
                 ledger export FILE`"
                    .to_owned(),
            ],
            Self::Proof(_, RecordProofError::Text) => vec![
                "is it the right file? `blindmatch ledger export FILE` writes a ledger, `blindmatch \
                 ledger proof NUMBER FILE` a proof"
                    .to_owned(),
            ],
            Self::Proof(_, RecordProofError::Path(_) | RecordProofError::Record(_)) => vec![
                "it was changed on its way; ask its owner for another, made with `blindmatch ledger \
                 proof NUMBER FILE`"
                    .to_owned(),
            ],
            Self::NoSecret(_) => vec![
                "name the file that `blindmatch keys export storage --to FILE`, `blindmatch keys \
                 export identity --to FILE` or `blindmatch roster keygen --name NAME FILE` wrote"
                    .to_owned(),
            ],
            Self::KeyName(_) => vec!["choose another with --name NAME".to_owned()],
            Self::Delegation(..) => vec![
                "is it the right file? `blindmatch keys rotate --request REQUEST` writes a request, \
                 and `blindmatch keys sign --identity IDENTITY REQUEST DELEGATION` a delegation"
                    .to_owned(),
            ],
            Self::Roster(..) => {
                vec!["is it the right file? ask an administrator for the roster again".to_owned()]
            }
            Self::Draft(_) => {
                vec!["see what a roster needs: blindmatch roster new --help".to_owned()]
            }
            Self::RosterTooLong => {
                vec!["leave members out: blindmatch roster remove ROSTER MEMBER".to_owned()]
            }
            Self::Exclusions(..) => vec![
                "is it the right file? a list is a warninglist of MISP, in JSON; see: blindmatch \
                 exclusions add --help"
                    .to_owned(),
            ],
            Self::PaymentKeyRefused(..) => vec![wrapped_again()],
            Self::Port(_) => vec!["wait a moment and type the same again".to_owned()],
            Self::NotListed(DelegationError::Expired) => {
                vec!["make new node keys: blindmatch keys rotate".to_owned()]
            }
            Self::NotListed(_) => vec![
                "give the administrator the card, and install the roster that names it: blindmatch \
                 card"
                    .to_owned(),
            ],
            Self::Credentials(_) => vec!["make new node keys: blindmatch keys rotate".to_owned()],
            Self::Clock => vec!["is the clock of this machine right? see: date".to_owned()],
            Self::IdentityOffline => vec![
                "bring the file to which it was exported, and name it with --identity FILE"
                    .to_owned(),
            ],
            Self::OtherIdentity => vec![
                "name the file to which this node's own was exported, with --identity FILE".to_owned(),
                "whose it is stands in the file; whose this node is: blindmatch card".to_owned(),
            ],
            Self::DelegationMissing(path) => vec![
                format!(
                    "put it back from a copy of the home, or from where it was signed: cp COPY {}",
                    quoted_path(path)
                ),
                "or leave the home as it is and restore a backup into another: blindmatch --home DIR \
                 restore --storage-key KEY BACKUP"
                    .to_owned(),
            ],
            Self::NoRoster(error) => no_roster(error),
            Self::RosterLost(..) => vec![
                "take the newest roster anew, with its words from an administrator: blindmatch roster \
                 trust WORDS, then: blindmatch roster install FILE"
                    .to_owned(),
                format!("or {RESTORE}"),
            ],
            Self::RosterRefused(path, error) => refused(&quoted_path(path), error),
            Self::NotEquivocated(_) => {
                vec!["how all members stand: blindmatch status".to_owned()]
            }
            Self::Why => vec!["name a ticket or a case that says more: --why ticket-4711".to_owned()],
            Self::PeersRoster(_) => vec![
                "ask an administrator for the newest roster, then: blindmatch roster install FILE"
                    .to_owned(),
            ],
            Self::RosterOfOtherKeys { held, .. } => vec![
                format!(
                    "ask an administrator for one that the keys of roster number {held} signed, or those \
                     that it names as the next"
                ),
                "were all of those lost? then hear the words of the new one's fingerprint, by telephone \
                 or in person, and type them: blindmatch roster trust WORDS"
                    .to_owned(),
            ],
            Self::OtherConsortium { .. } => {
                vec!["a node is in one consortium; make another home for the other".to_owned()]
            }
            Self::File(path, error) => match error.kind() {
                io::ErrorKind::NotFound => vec!["check the spelling".to_owned()],
                io::ErrorKind::AlreadyExists => {
                    vec!["name a file that does not exist yet; nothing is written over".to_owned()]
                }
                io::ErrorKind::PermissionDenied => {
                    vec![format!("see who may: ls -l {}", quoted_path(path))]
                }
                io::ErrorKind::FileTooLarge
                | io::ErrorKind::InvalidData
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory => vec!["is it the right file?".to_owned()],
                _ => Vec::new(),
            },
            Self::SecretReadable(path, _) => vec![format!("chmod 600 {}", quoted_path(path))],
            Self::PublicKey(_) => {
                vec![
                    "its owner has one printed by `blindmatch roster keygen --name NAME FILE`"
                        .to_owned(),
                ]
            }
            Self::Policy(path, _) => vec![
                format!("edit {}", quoted_path(path)),
                "what each key means: spec/50-policy.md; an example: examples/policy.toml"
                    .to_owned(),
            ],
            Self::NoPolicy(path) => vec![
                "put it back from a copy of the home".to_owned(),
                format!(
                    "or begin with one that allows nothing: install -m 600 /dev/null {}",
                    quoted_path(path)
                ),
            ],
            Self::Config(path, _) => vec![format!("edit {}", quoted_path(path))],
            Self::Card(..) => vec!["its member makes one with `blindmatch card > FILE`".to_owned()],
            Self::OtherDelegation(_) => {
                vec!["request one: blindmatch keys rotate --request FILE".to_owned()]
            }
            Self::RosterSigned(path) => vec![format!(
                "begin the next one: blindmatch roster new --after {} NEXT",
                quoted_path(path)
            )],
            Self::NotASigner(roster, _) => vec![
                format!(
                    "see which they are: blindmatch roster show {}",
                    quoted_path(roster)
                ),
                "if it is a key of the roster before, name that with --after ROSTER".to_owned(),
            ],
            Self::SignedAlready(path) => {
                vec![format!(
                    "see who signed: blindmatch roster show {}",
                    quoted_path(path)
                )]
            }
            Self::NoPaymentKey => vec![
                "have one wrapped by the member that has it, with `blindmatch keys payment wrap \
                 --to MEMBER FILE`"
                    .to_owned(),
                "or, if no member has one, make it: blindmatch keys payment new".to_owned(),
            ],
            Self::PaymentKeyExists(_) => vec![
                "to replace it, e.g. after a leak, add --replace; card numbers have to be \
                 imported again then"
                    .to_owned(),
            ],
            Self::PaymentKeySignature(_, NoteError::Unsigned) => vec![
                "name the member that wrapped it with --from MEMBER; if it has a new identity since, \
                 install the roster that names it, or have the key wrapped again"
                    .to_owned(),
            ],
            Self::PaymentKeySignature(..) => vec![wrapped_again()],
            Self::PaymentKeyElsewhere(..) => vec![
                "ask for one for this member, made with `blindmatch keys payment wrap --to MEMBER \
                 FILE`"
                    .to_owned(),
            ],
            Self::Listen(..) => vec![
                "name an address of this machine that is free: listen, in [serve] of blindmatch.toml"
                    .to_owned(),
            ],
            Self::FeedbackNotAllowed(..) => vec![
                "set `feedback = true` in the rule about it, in policy.toml, where that is meant"
                    .to_owned(),
            ],
            Self::DecisionText => vec!["name a file of the case in it, and say no more".to_owned()],
            Self::NoMember(_) => vec!["see who is: blindmatch roster show".to_owned()],
            Self::NotInRoster(path, _) => {
                vec![format!("see who is: blindmatch roster show {}", quoted_path(path))]
            }
            Self::NotWitnessed(member, _) => vec![format!(
                "another witness may have it, and writes it out with `blindmatch ledger witnessed {member}`"
            )],
            Self::Witnessed(_) => vec![format!(
                "{DISCARD}; it is kept again when that peer next has its ledger cosigned"
            )],
            Self::NoDelegation(member, Some(_)) => vec![format!(
                "see which are: blindmatch roster delegation {member} --output json"
            )],
            Self::NoDelegation(member, None) => vec![format!(
                "it comes when the nodes next meet; until then ask another member for what it writes out \
                 with `blindmatch roster delegation {member}`"
            )],
            Self::MemberExists(_) => {
                vec!["put a new card in its place with --replace".to_owned()]
            }
            // What they say is all that there is to do, or they show that this program is wrong.
            _ => Vec::new(),
        }
    }
}

/// Where a home does not hold, and how one goes on.
const RESTORE: &str = "leave the home as it is and restore a backup into another: blindmatch --home DIR \
                       restore --storage-key KEY BACKUP";

/// Where a backup does not hold.
const RESTORE_OTHER: &str = "name another backup, or the key of this one: blindmatch restore \
                             --storage-key KEY BACKUP";

fn home(error: &HomeError) -> Vec<String> {
    match error {
        HomeError::NotAHome(_) => vec![
            "make one: blindmatch init --member NAME --role ROLE --consortium NAME --address HOST:PORT"
                .to_owned(),
            "or name another with --home DIR".to_owned(),
        ],
        HomeError::Exists => vec![
            "look at it: blindmatch doctor".to_owned(),
            "make another with --home DIR".to_owned(),
        ],
        HomeError::Restoring(_) => vec![
            "begin it again with the same backup: blindmatch restore --storage-key KEY BACKUP"
                .to_owned(),
        ],
        HomeError::Occupied(_) => {
            vec!["name a directory that is missing or empty with --home DIR".to_owned()]
        }
        HomeError::Marker | HomeError::MarkerGone(_) => vec![
            "write it anew with the storage key that was exported from this home: blindmatch keys import \
             storage --from FILE"
                .to_owned(),
            "or with its words: blindmatch keys import storage --from -".to_owned(),
            format!("or {RESTORE}"),
        ],
        HomeError::Gone(path) => {
            let mut hints = vec![
                format!("put it back, with all that was in it, from where it was moved, or from a copy of the home: {}", quoted_path(path)),
                format!("or {RESTORE}"),
            ];
            if ["collections", "views", "runs"].iter().any(|name| path.ends_with(name)) {
                hints.push(format!(
                    "is it lost for good? then go on without it: mkdir -m 700 {}, then: blindmatch doctor",
                    quoted_path(path)
                ));
            }
            hints
        }
        HomeError::Locked(owner) => vec![match owner {
            Some(owner) => format!(
                "wait until it is done; see what it is with: ps -p {}",
                owner.pid
            ),
            None => "wait a moment and type the same again".to_owned(),
        }],
        HomeError::Permissions { path, mode } => {
            vec![format!("chmod {mode:o} {}", quoted_path(path))]
        }
        HomeError::Disk(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            vec!["a home belongs to the user who runs this; see whose it is: ls -ld HOME".to_owned()]
        }
        HomeError::StorageKeyMissing | HomeError::StorageKeyForeign => vec![
            "put the one that was exported from this home back: blindmatch keys import storage \
             --from FILE"
                .to_owned(),
            "or type its words: blindmatch keys import storage --from -".to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// A backup that could not be written to `to`.
fn unwritten(to: &Path, error: &io::Error) -> Vec<String> {
    let parent = to.parent().filter(|parent| *parent != Path::new(""));
    match (error.kind(), parent) {
        (io::ErrorKind::NotFound, Some(parent)) if !parent.exists() => {
            vec![format!(
                "make its directory: mkdir -p {}",
                quoted_path(parent)
            )]
        }
        (io::ErrorKind::PermissionDenied, Some(parent)) => {
            vec![format!(
                "see who may write there: ls -ld {}",
                quoted_path(parent)
            )]
        }
        (io::ErrorKind::NotADirectory, _) => {
            vec!["name a file in a directory: blindmatch backup FILE".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn ledger(error: &LedgerError) -> Vec<String> {
    match error {
        LedgerError::NoSuchRecord(_) => {
            vec!["see how many there are, counted from 0: blindmatch ledger verify".to_owned()]
        }
        LedgerError::Time { last, .. } => vec![
            "is the clock of this machine right? see: date".to_owned(),
            format!(
                "if it is, it was ahead when that was recorded, and nothing more is recorded before {}; \
                 to go on now with a backup that is older than that record, {RESTORE}",
                Moment(*last)
            ),
        ],
        LedgerError::Stopped(_) => {
            vec![
                "see what was recorded, then type the same again: blindmatch ledger verify"
                    .to_owned(),
            ]
        }
        LedgerError::NoCheckpoint
        | LedgerError::Checkpoint(_)
        | LedgerError::Cosigned(_)
        | LedgerError::CosignedChecksum
        | LedgerError::Damaged { .. }
        | LedgerError::Missing { .. }
        | LedgerError::Fork { .. } => vec![RESTORE.to_owned()],
        _ => Vec::new(),
    }
}

/// A checkpoint that was given and that no key of the ledger signed.
fn checkpoint(error: &CheckpointError) -> Vec<String> {
    let text = match error {
        CheckpointError::OtherLedger => {
            "give a checkpoint of this ledger; the one that it is of \
                                         stands in its first line"
        }
        CheckpointError::Note(NoteError::Unsigned) => {
            "a later key of this ledger may have signed it: its owner sees that with `blindmatch \
             ledger checkpoint --output json`; a home that lacks it is older than the checkpoint"
        }
        CheckpointError::Note(NoteError::Signature) => {
            "it was changed on its way: ask for it again where it is from"
        }
        _ => "is it the right file? `blindmatch ledger checkpoint` prints one",
    };
    vec![text.to_owned()]
}

/// A ledger that does not go on from a checkpoint that was given.
fn known(error: &SuccessionError) -> Vec<String> {
    match error {
        SuccessionError::OtherLedger => {
            vec!["give a checkpoint of the same ledger; the one that it is of stands in its first line"
                .to_owned()]
        }
        SuccessionError::Superseded { .. } => {
            vec!["ask for what its owner exports now, with `blindmatch ledger export FILE`".to_owned()]
        }
        SuccessionError::OtherLoss { .. } | SuccessionError::NoLoss => vec![
            "ask its owner for the whole ledger, made with `blindmatch ledger export --all FILE`"
                .to_owned(),
        ],
        _ => vec![
            "is it changed, or older than the checkpoint? ask its owner for one of today, made with \
             `blindmatch ledger export --all FILE`"
                .to_owned(),
            "if that does not go on from it either, the owner went back or wrote two ledgers: keep both \
             files, they prove it, and show them to the administrators"
                .to_owned(),
        ],
    }
}

fn quorum(error: &QuorumError) -> Vec<String> {
    let text = match error {
        QuorumError::TooFew { .. } => {
            "name the keys of all its witnesses with --witness KEY, as every member shows them with \
             `blindmatch roster witnesses MEMBER`; if they are, ask its owner for one that more of them \
             cosigned"
        }
        QuorumError::Cosignature => "it was changed on its way: ask its owner for it again",
        _ => {
            "name each witness's keys once with --witness KEY, and no more with --quorum NUMBER: every \
             member shows both with `blindmatch roster witnesses MEMBER`"
        }
    };
    vec![text.to_owned()]
}

fn wrapped_again() -> String {
    "is it the right file? a member that has the key writes it with `blindmatch keys payment wrap --to \
     MEMBER FILE`"
        .to_owned()
}

/// What replaces a key by name whose file is damaged or gone.
fn damaged_key(name: &str) -> Vec<String> {
    let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
    let first = match (name, kind) {
        ("payment", _) => {
            "have it wrapped again by a member that has it, then: blindmatch keys payment install \
             --from MEMBER --replace FILE"
        }
        ("identity", _) => {
            "if it was exported, remove this file, and name the exported one with --identity FILE"
        }
        ("storage-exported", _) => {
            return vec!["export it again: blindmatch keys export storage --to FILE".to_owned()];
        }
        ("hpke", _) => {
            return vec![
                "make a new one, which stands on a new card: blindmatch card --new-key > CARD"
                    .to_owned(),
                "give the card to the administrator, and once the roster has it, have the payment \
                 key wrapped again: blindmatch keys payment install --from MEMBER --replace FILE"
                    .to_owned(),
                format!("or {RESTORE}"),
            ];
        }
        (_, "tls" | "receipts" | "checkpoints" | "node-hpke") => {
            "make new node keys: blindmatch keys rotate"
        }
        _ => return vec![RESTORE.to_owned()],
    };
    vec![first.to_owned(), format!("or {RESTORE}")]
}

impl Error {
    /// What the disk said, where it was the disk.
    fn of_disk(&self) -> Option<&io::Error> {
        match self {
            Self::Home(HomeError::Disk(error))
            | Self::File(_, error)
            | Self::Key(_, KeyError::Disk(error))
            | Self::Collections(CollectionError::Disk(error))
            | Self::Collection(_, CollectionError::Disk(error))
            | Self::Exported(_, ExportedError::Io(error))
            | Self::View(ViewError::Disk(error))
            | Self::Run(RunError::Disk(error))
            | Self::Backup(
                _,
                BackupError::Disk(error)
                | BackupError::Collection(CollectionError::Disk(error))
                | BackupError::Home(HomeError::Disk(error))
                | BackupError::Key {
                    error: KeyError::Disk(error),
                    ..
                },
            ) => Some(error),
            Self::Ledger(LedgerError::Disk(error) | LedgerError::Stopped(error))
            | Self::Backup(
                _,
                BackupError::Ledger(LedgerError::Disk(error) | LedgerError::Stopped(error)),
            ) => Some(error),
            _ => None,
        }
    }
}

fn signature(error: &CheckpointError) -> Vec<String> {
    match error {
        CheckpointError::OtherLedger => vec![
            "name the key of the ledger that it is of with --key KEY; its owner sees it with \
             `blindmatch ledger checkpoint --output json`"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

fn no_roster(error: &RosterError) -> Vec<String> {
    match error {
        RosterError::NotTrusted => vec![
            "ask the consortium's administrator for its roster, and for the words of its \
             fingerprint by telephone or in person"
                .to_owned(),
            "blindmatch roster trust WORDS, then: blindmatch roster install FILE".to_owned(),
        ],
        RosterError::Expired => {
            vec!["ask for the next one, then: blindmatch roster install FILE".to_owned()]
        }
        RosterError::NotYetValid => {
            vec!["is the clock of this machine right? see: date".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn refused(roster: &str, error: &RosterError) -> Vec<String> {
    match error {
        RosterError::NotTrusted => vec![
            format!("see the words of its fingerprint: blindmatch roster show {roster}"),
            "compare them with an administrator's, by telephone or in person, then: \
             blindmatch roster trust WORDS"
                .to_owned(),
        ],
        RosterError::OtherFingerprint { .. } => vec![
            "somebody may have changed the roster on its way; ask an administrator again"
                .to_owned(),
            format!("its own words: blindmatch roster show {roster}"),
        ],
        RosterError::Older { held, .. } => vec![format!(
            "a node never goes back; ask for roster number {held} or a later one, then: blindmatch \
             roster install FILE"
        )],
        RosterError::Fork { .. } => vec![
            "the administrators signed two; they have to agree on one and sign a next one"
                .to_owned(),
        ],
        RosterError::TooFewSignatures { .. } => {
            vec![format!(
                "more administrators have to: `blindmatch roster sign --key KEY {roster}`"
            )]
        }
        RosterError::Gap { held, .. } => vec![format!(
            "ask for the rosters behind number {held} and install them in their order"
        )],
        RosterError::Read(_) => vec![
            "it is not what its administrators signed: ask one of them for it again".to_owned(),
            format!("then see whether it would be taken: blindmatch roster verify {roster}"),
        ],
        RosterError::OtherConsortium => {
            vec!["a node is in one consortium; make another home for the other".to_owned()]
        }
        RosterError::Expired => vec!["ask an administrator for the next one".to_owned()],
        RosterError::NotYetValid => {
            vec!["is the clock of this machine right? see: date".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn collection(error: &CollectionError) -> Vec<String> {
    match error {
        CollectionError::Missing => vec!["see which there are: blindmatch collections".to_owned()],
        CollectionError::ListLost { .. } => vec![
            "put it back from a copy of the home, or restore a backup: blindmatch restore --help"
                .to_owned(),
            "nothing of it is removed until then".to_owned(),
            DESTROY.to_owned(),
        ],
        CollectionError::NoSource => {
            vec!["see which it has: blindmatch collections show NAME".to_owned()]
        }
        CollectionError::Kind(_) => vec![
            "leave --kind out, or import into another collection with --collection NAME".to_owned(),
        ],
        CollectionError::Shrinks { .. } => vec![
            "is the feed whole? If it is meant to be so, add --allow-shrink".to_owned(),
            "to keep what the source held, add --append".to_owned(),
        ],
        CollectionError::PaymentKey => vec![
            "import all of the source again, without --append or --remove: blindmatch import \
             --collection NAME --source SOURCE FILE"
                .to_owned(),
        ],
        CollectionError::Busy => vec!["wait until it is done".to_owned()],
        CollectionError::Clock => {
            vec!["is the clock of this machine right? see: date".to_owned()]
        }
        CollectionError::Time { .. } => vec![
            "is the clock of this machine right? see: date".to_owned(),
            "if it was ahead at that import, import into a new collection with --collection NAME"
                .to_owned(),
        ],
        error if error.is_damage() => {
            // The kind of a collection never changes, and a list that does not read says none.
            let again = "import its sources again into a new collection of its kind, customers or \
                         abuse: blindmatch import --collection NEW --kind KIND FILE";
            let restore = format!("or {RESTORE}");
            if error.is_of_list() {
                return vec![again.to_owned(), restore, DESTROY.to_owned()];
            }
            vec![
                "replace the source by its whole feed: blindmatch import --collection NAME --source \
                 SOURCE --discard-damaged FILE"
                    .to_owned(),
                format!("or {again}"),
                restore,
                DESTROY.to_owned(),
            ]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
