//! How administrators make a roster: keys, a draft, members by their cards, signatures.
//!
//! A roster that somebody signed is never changed again; the next one begins
//! [`after`](Beginning::After) it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use blindmatch_audit::note::{MAX_NOTE, NoteKey};
use blindmatch_indicator::IndicatorType;
use blindmatch_membership::{
    Card, Digest, Draft, KeySet, Name, Role, Roster, SignedRoster, Signer, Trust, WitnessQuorum,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::{clock, files};

/// The name under which a roster lists the public suffix list.
pub const SUFFIXES: &str = "public-suffix-list";

/// What a new roster begins from.
#[derive(Debug)]
pub enum Beginning<'a> {
    /// A consortium that has none yet.
    First {
        /// Its name.
        consortium: Name,
        /// The keys that sign rosters.
        keys: KeySet,
        /// The keys that can replace them.
        next_keys: KeySet,
    },
    /// The roster before.
    After {
        /// Where it is.
        roster: &'a Path,
        /// New next keys, where the next keys of that roster take the place of its keys.
        advance: Option<KeySet>,
    },
}

/// What else a new roster says.
#[derive(Debug)]
pub struct Terms {
    /// When it is in force: from and until, in seconds of Unix time.
    pub in_force: (u64, u64),
    /// How many witnesses cosign, where that changes.
    pub witness_quorum: Option<WitnessQuorum>,
    /// The files that canonical forms depend on, by name and SHA-256.
    pub tables: BTreeMap<Name, Digest>,
    /// The lists of values that are left out of sets, by name and SHA-256.
    pub exclusions: BTreeMap<Name, Digest>,
}

/// How far a roster is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// By how many of its own keys.
    pub have: usize,
    /// How many it needs.
    pub need: usize,
}

/// Makes an administrator's key in a new file.
///
/// # Errors
///
/// [`Error::KeyName`], [`Error::File`].
pub fn keygen(name: &str, file: &Path, rng: &mut impl CryptoRng) -> Result<NoteKey, Error> {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    let signer = Signer::new(name, &seed).map_err(|_| Error::KeyName(name.to_owned()))?;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str(&signer.to_text());
    text.push('\n');
    files::write_secret(file, &text)?;
    Ok(signer.note_key())
}

/// Reads a public key, or the file that holds one.
///
/// # Errors
///
/// [`Error::PublicKey`], [`Error::File`].
pub fn public_key(text: &str) -> Result<NoteKey, Error> {
    if let Ok(key) = NoteKey::parse(text) {
        return Ok(key);
    }
    let path = Path::new(text);
    let content = files::read(path, 4096)?;
    let key = str::from_utf8(&content).ok().map(str::trim);
    key.and_then(|key| NoteKey::parse(key).ok())
        .ok_or_else(|| Error::PublicKey(path.to_owned()))
}

/// Begins a roster in a new file.
///
/// # Errors
///
/// [`Error::Draft`] where it would not be a roster, those of reading and writing.
pub fn begin(beginning: Beginning<'_>, terms: Terms, file: &Path) -> Result<SignedRoster, Error> {
    let mut draft = match beginning {
        Beginning::First {
            consortium,
            keys,
            next_keys,
        } => Draft::first(consortium, terms.in_force, keys, next_keys),
        Beginning::After { roster, advance } => {
            let before = read(roster)?;
            let mut draft = Draft::after(before.roster(), terms.in_force);
            if let Some(next_keys) = advance {
                draft.advance_keys(next_keys);
            }
            draft
        }
    };
    if let Some(quorum) = terms.witness_quorum {
        draft.witness_quorum = quorum;
    }
    let version = |kind: &IndicatorType| (kind.name().to_owned(), kind.canonicalisation_version());
    draft.canonicalisation = IndicatorType::ALL.iter().map(version).collect();
    draft.tables = terms.tables;
    draft.exclusions = terms.exclusions;
    let roster = unsigned(&draft)?;
    files::write_new(file, roster.to_string().as_bytes())?;
    Ok(roster)
}

/// Adds the members of these cards to a roster that nobody signed yet, or replaces them.
///
/// # Errors
///
/// [`Error::MemberExists`], [`Error::NotInRoster`], [`Error::RosterSigned`], those of reading and
/// writing.
pub fn add(
    file: &Path,
    cards: &[Card],
    how: Adding,
    witness_quorum: Option<WitnessQuorum>,
) -> Result<SignedRoster, Error> {
    change(file, |draft| {
        draft.witness_quorum = witness_quorum.unwrap_or(draft.witness_quorum);
        for card in cards {
            let name = &card.member().name;
            match how {
                Adding::New { witness } => {
                    let provider = card.member().role == Role::Provider;
                    draft
                        .add(card, witness && provider)
                        .map_err(|_| Error::MemberExists(name.clone()))?;
                }
                Adding::Replace => draft
                    .replace(card)
                    .map_err(|_| Error::NotInRoster(file.to_owned(), name.clone()))?,
            }
        }
        Ok(())
    })
}

/// How members are added to a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    /// They are not there yet.
    New {
        /// Whether the providers among them cosign the ledgers of others.
        witness: bool,
    },
    /// They are there, with other keys or another address.
    Replace,
}

/// Removes members from a roster that nobody signed yet. A quorum that the witnesses which are left
/// cannot reach is lowered; then it gives the one before.
///
/// # Errors
///
/// [`Error::NotInRoster`], [`Error::RosterSigned`], those of reading and writing.
pub fn remove(
    file: &Path,
    members: &[Name],
) -> Result<(SignedRoster, Option<WitnessQuorum>), Error> {
    let mut lowered = None;
    let roster = change(file, |draft| {
        for name in members {
            let removed = draft.remove(name);
            removed.map_err(|_| Error::NotInRoster(file.to_owned(), name.clone()))?;
        }
        lowered = draft.lower_quorum();
        Ok(())
    })?;
    Ok((roster, lowered))
}

/// Signs a roster with the key in a file: one of the roster's own keys, or, where the roster before
/// is named, one of those.
///
/// # Errors
///
/// [`Error::NotASigner`] where the signature would count for nothing, [`Error::SignedAlready`],
/// [`Error::NoSecret`], those of reading and writing.
pub fn sign(
    file: &Path,
    key: &Path,
    before: Option<&Path>,
) -> Result<(SignedRoster, Signatures), Error> {
    let secret = files::read_secret(key).map_err(|error| match error {
        // What others may read there is no secret.
        Error::SecretReadable(path, _) if holds_public_key(&path) => Error::NoSecret(path),
        error => error,
    })?;
    let signer: Signer = secret
        .trim_end()
        .parse()
        .map_err(|_| Error::NoSecret(key.to_owned()))?;
    let mut roster = read(file)?;
    let mut counts = roster.roster().keys.keys.contains(&signer.note_key());
    if let Some(before) = before {
        let before = read(before)?;
        let before = before.roster();
        let key = signer.note_key();
        counts |= roster.roster().previous == Some(before.digest())
            && (before.keys.keys.contains(&key) || before.next_keys.keys.contains(&key));
    }
    if !counts {
        return Err(Error::NotASigner(file.to_owned(), key.to_owned()));
    }
    if !roster.sign(&signer) {
        return Err(Error::SignedAlready(file.to_owned()));
    }
    files::replace(file, roster.to_string().as_bytes())?;
    let signatures = signatures(&roster);
    Ok((roster, signatures))
}

fn holds_public_key(path: &Path) -> bool {
    let text = File::open(path).map(|file| files::secret_of(file, path));
    matches!(text, Ok(Ok(text)) if NoteKey::parse(text.trim_end()).is_ok())
}

/// Reads a roster and judges it as a node would that has no other, and whose operator has compared
/// the words of its fingerprint.
///
/// # Errors
///
/// [`Error::RosterRefused`], those of reading.
pub fn verify(file: &Path) -> Result<SignedRoster, Error> {
    let roster = read(file)?;
    let mut trust = Trust::default();
    trust.confirm(roster.roster().fingerprint());
    trust
        .accept(roster.to_string().as_bytes(), clock::now())
        .map_err(|error| Error::RosterRefused(file.to_owned(), error))?;
    Ok(roster)
}

/// How far a roster is signed by its own keys.
#[must_use]
pub fn signatures(roster: &SignedRoster) -> Signatures {
    let keys = &roster.roster().keys;
    Signatures {
        // A signature that does not hold counts for none.
        have: keys.signed(roster.note()).unwrap_or(0),
        need: keys.threshold,
    }
}

/// Reads a roster, with or without signatures.
///
/// # Errors
///
/// [`Error::File`], [`Error::Roster`].
pub fn read(file: &Path) -> Result<SignedRoster, Error> {
    let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
    SignedRoster::read(&files::read(file, limit)?)
        .map_err(|error| Error::Roster(file.to_owned(), error))
}

/// Reads a member's card.
///
/// # Errors
///
/// [`Error::File`], [`Error::Card`].
pub fn read_card(file: &Path) -> Result<Card, Error> {
    let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
    Card::read(&files::read(file, limit)?).map_err(|error| Error::Card(file.to_owned(), error))
}

fn change(
    file: &Path,
    change: impl FnOnce(&mut Draft) -> Result<(), Error>,
) -> Result<SignedRoster, Error> {
    let roster = read(file)?;
    if roster.to_string() != roster.roster().text() {
        return Err(Error::RosterSigned(file.to_owned()));
    }
    let mut draft = Draft::clone(roster.roster());
    change(&mut draft)?;
    let changed = unsigned(&draft)?;
    files::replace(file, changed.to_string().as_bytes())?;
    Ok(changed)
}

fn unsigned(draft: &Draft) -> Result<SignedRoster, Error> {
    let roster = Roster::new(draft).map_err(Error::Draft)?;
    SignedRoster::unsigned(roster).map_err(|_| Error::RosterTooLong)
}
