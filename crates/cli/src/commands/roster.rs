//! `blindmatch roster`.

mod known;
mod shown;

use std::collections::BTreeMap;
use std::path::Path;

use blindmatch_node::exclusions::shipped;
use blindmatch_node::membership::{Digest, Fingerprint, KeySet, Name, WordsError};
use blindmatch_node::roster::ceremony::{self, Adding, Beginning, SUFFIXES, Terms};
use blindmatch_node::store::home::HomeError;
use blindmatch_node::{NodeFiles, clock};
use jiff::Timestamp;
use serde::Serialize;

use self::shown::{Changed, ShownRoster};
use super::{at_work, ledger};
use crate::args::Global;
use crate::args::roster::{
    AddArguments, KeygenArguments, NewArguments, RosterCommand, SignArguments, TrustArguments,
};
use crate::error::{Error, Exit};
use crate::output::{self, Report};
use crate::tables;

/// How long a roster is in force where nobody says so: half a year.
const USUAL_LIFETIME: u64 = 180 * 86_400;

pub(crate) fn run(command: &RosterCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        RosterCommand::Keygen(arguments) => keygen(arguments, global)?,
        RosterCommand::New(arguments) => new(arguments, global)?,
        RosterCommand::Add(arguments) => add(arguments, global)?,
        RosterCommand::Remove(arguments) => {
            let (roster, lowered) = ceremony::remove(&arguments.roster, &arguments.members)?;
            output::show("roster_remove", &ShownRoster::of(&roster), global)?;
            if let Some(before) = lowered.filter(|_| !global.quiet) {
                global.tell(format_args!(
                    "the quorum of witnesses is {} from now on: those who are left could not reach \
                     {before}",
                    roster.roster().witness_quorum
                ));
            }
        }
        RosterCommand::Sign(arguments) => sign(arguments, global)?,
        RosterCommand::Show(arguments) => show(arguments.roster.as_deref(), global)?,
        RosterCommand::Verify(arguments) => verify(&arguments.roster, global)?,
        RosterCommand::Trust(arguments) => trust(arguments, global)?,
        RosterCommand::Install(arguments) => install(&arguments.roster, global)?,
        RosterCommand::Witnesses(arguments) => {
            known::witnesses(arguments.member.as_ref(), global)?;
        }
        RosterCommand::Delegation(arguments) => known::delegation(arguments, global)?,
        RosterCommand::Readmit(arguments) => readmit(&arguments.member, global)?,
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct PublicKey {
    name: String,
    public_key: String,
    file: String,
}

fn keygen(arguments: &KeygenArguments, global: &Global) -> Result<(), Error> {
    let key = ceremony::keygen(&arguments.name, &arguments.file, &mut rand::rng())?;
    let shown = PublicKey {
        name: key.name().as_str().to_owned(),
        public_key: key.to_string(),
        file: arguments.file.display().to_string(),
    };
    output::show("roster_keygen", &shown, global)?;
    let what = format!(
        "keep {} offline, and a copy of it; give the public key to whoever makes the roster",
        shown.file
    );
    output::next(global, &what);
    Ok(())
}

impl Report for PublicKey {
    /// The key alone, so that it can be written to a file.
    fn table(&self) -> String {
        self.public_key.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

fn new(arguments: &NewArguments, global: &Global) -> Result<(), Error> {
    let next_keys = || key_set(&arguments.next_keys, arguments.next_threshold);
    let beginning = match (&arguments.after, &arguments.consortium) {
        (Some(roster), _) => Beginning::After {
            roster,
            advance: arguments.advance_keys.then(next_keys).transpose()?,
        },
        (None, Some(consortium)) => Beginning::First {
            consortium: consortium.clone(),
            keys: key_set(&arguments.keys, arguments.threshold)?,
            next_keys: next_keys()?,
        },
        (None, None) => return Err(Error::usage("name the consortium with --consortium NAME")),
    };
    let from = arguments.not_before.map_or_else(clock::now, seconds);
    let until = arguments.expires.map_or(from + USUAL_LIFETIME, seconds);
    let suffixes = tables::public_suffixes(arguments.tables.as_deref())?;
    let terms = Terms {
        in_force: (from, until),
        witness_quorum: arguments.witness_quorum,
        tables: named(SUFFIXES, *suffixes.sha256()),
        exclusions: if arguments.no_exclusions {
            BTreeMap::new()
        } else {
            shipped()
        },
    };
    let roster = ceremony::begin(beginning, terms, &arguments.file)?;
    output::show("roster_new", &ShownRoster::of(&roster), global)?;
    let file = arguments.file.display();
    if roster.roster().members.is_empty() {
        let what = format!("add members: blindmatch roster add {file} CARD...");
        output::next(global, &what);
    } else {
        let what = format!("change it, then sign it: blindmatch roster sign --key KEY {file}");
        output::next(global, &what);
    }
    Ok(())
}

fn add(arguments: &AddArguments, global: &Global) -> Result<(), Error> {
    let cards: Result<Vec<_>, _> = arguments
        .cards
        .iter()
        .map(|file| ceremony::read_card(file))
        .collect();
    let cards = cards?;
    let how = if arguments.replace {
        Adding::Replace
    } else {
        Adding::New {
            witness: !arguments.no_witness,
        }
    };
    let roster = ceremony::add(&arguments.roster, &cards, how, arguments.witness_quorum)?;
    output::show("roster_add", &ShownRoster::of(&roster), global)?;
    if !global.quiet {
        for card in &cards {
            let name = &card.member().name;
            global.tell(format_args!("{name}: {}", card.fingerprint()));
        }
    }
    let what = "compare these words with each member, by telephone or in person";
    output::next(global, what);
    let file = arguments.roster.display();
    let what = format!("sign it: blindmatch roster sign --key KEY {file}");
    output::next(global, &what);
    Ok(())
}

fn sign(arguments: &SignArguments, global: &Global) -> Result<(), Error> {
    let before = arguments.after.as_deref();
    let (roster, signatures) = ceremony::sign(&arguments.roster, &arguments.key, before)?;
    output::show("roster_sign", &ShownRoster::of(&roster), global)?;
    let file = arguments.roster.display();
    let missing = signatures.need.saturating_sub(signatures.have);
    let what = match missing {
        0 => format!(
            "give it to every member; a node takes it with `blindmatch roster install {file}`"
        ),
        1 => format!("one more has to sign: `blindmatch roster sign --key KEY {file}`"),
        _ => format!("{missing} more have to sign: `blindmatch roster sign --key KEY {file}`"),
    };
    output::next(global, &what);
    Ok(())
}

/// Says what the node would make of a roster; where there is none and none was named, what one would
/// that trusts the words of the fingerprint.
fn verify(file: &Path, global: &Global) -> Result<(), Error> {
    match NodeFiles::read(&global.home()?) {
        Err(blindmatch_node::Error::Home(HomeError::NotAHome(_))) if global.home.is_none() => {
            let roster = ceremony::verify(file)?;
            output::show("roster_show", &ShownRoster::of(&roster), global)?;
            let what = "it is whole, in force and signed by enough of its own keys; compare the \
                        words of its fingerprint with an administrator's";
            output::next(global, what);
        }
        files => {
            let judged = files?.judge_roster(file)?;
            output::show("roster_verify", &Changed::of(&judged), global)?;
        }
    }
    Ok(())
}

fn show(file: Option<&Path>, global: &Global) -> Result<(), Error> {
    let roster = match file {
        Some(file) => ceremony::read(file)?,
        None => NodeFiles::read(&global.home()?)?.held_roster()?,
    };
    output::show("roster_show", &ShownRoster::of(&roster), global)
}

#[derive(Serialize)]
struct Trusted {
    fingerprint: String,
}

fn trust(arguments: &TrustArguments, global: &Global) -> Result<(), Error> {
    let words = arguments.words.join(" ");
    let fingerprint: Fingerprint = words.parse().map_err(|error: WordsError| {
        Error::usage(error).hint("ask for the words again, and type all twelve")
    })?;
    global.node()?.trust_fingerprint(fingerprint)?;
    let trusted = Trusted {
        fingerprint: fingerprint.to_string(),
    };
    output::show("roster_trust", &trusted, global)?;
    output::next(global, "blindmatch roster install ROSTER");
    Ok(())
}

impl Report for Trusted {
    fn table(&self) -> String {
        format!("trusted  {}", self.fingerprint)
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

fn install(file: &Path, global: &Global) -> Result<(), Error> {
    let node = global.node()?;
    let ledger = ledger::open(&node, global)?;
    let judged = node.install_roster(&ledger, file)?;
    output::show("roster_install", &Changed::of(&judged), global)?;
    if !judged.lists_us {
        let own = &node.config().node.member;
        let what = format!(
            "this roster does not list {own} with this node's identity; give the administrator \
             the card: blindmatch card"
        );
        output::next(global, &what);
    }
    Ok(())
}

#[derive(Serialize)]
struct Readmitted {
    member: String,
    operator: String,
}

fn readmit(member: &Name, global: &Global) -> Result<(), Error> {
    let node = global.node()?;
    let ledger = ledger::open(&node, global)?;
    let operator = at_work::acting(global);
    node.readmit(&ledger, member, &operator)?;
    let readmitted = Readmitted {
        member: member.to_string(),
        operator,
    };
    output::show("roster_readmit", &readmitted, global)
}

impl Report for Readmitted {
    fn table(&self) -> String {
        format!(
            "{} is asked again, on the word of {}",
            self.member, self.operator
        )
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

/// Public keys, of which `threshold` or all have to sign.
fn key_set(keys: &[String], threshold: Option<usize>) -> Result<KeySet, Error> {
    let keys: Result<Vec<_>, _> = keys.iter().map(|key| ceremony::public_key(key)).collect();
    let keys = keys?;
    Ok(KeySet {
        threshold: threshold.unwrap_or(keys.len()),
        keys,
    })
}

fn named(name: &str, digest: [u8; 32]) -> BTreeMap<Name, Digest> {
    let name = name.parse().ok();
    name.map(|name| (name, Digest(digest)))
        .into_iter()
        .collect()
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}
