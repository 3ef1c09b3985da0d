//! The roster: who is a member, as text that is signed as it is read (`spec/41-membership.md` §2).

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    ops::Deref,
    str::FromStr,
};

use blindmatch_audit::note::{Note, NoteError, NoteKey};

use crate::{
    draft::Draft,
    identity::MemberId,
    member::Member,
    signer::Signer,
    text::{Fault, Field, Keys, LineError, Lines, ReadError},
    values::{Digest, Entry, FormError, KOfN, Name, Previous, RosterKey, Time, TypeName},
    words::Fingerprint,
};

const ROSTER: &str = "blindmatch roster v1";

/// The most members of a consortium.
pub const MAX_MEMBERS: usize = 512;

/// The most keys that sign a roster, and the most that are named as the next ones.
pub const MAX_KEYS: usize = 32;

/// The most lines of each other list.
pub const MAX_LIST: usize = 64;

/// The longest time that a roster is in force, in seconds: 366 days.
pub const MAX_ROSTER_LIFETIME: u64 = 366 * 86_400;

/// Keys of which some have to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// How many have to.
    pub threshold: usize,
    /// The keys, of different public keys each.
    pub keys: Vec<NoteKey>,
}

/// How many witnesses have to cosign a ledger, its owner not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessQuorum {
    /// More than half of those that are not the owner.
    MoreThanHalf,
    /// So many.
    Exactly(usize),
}

/// A checked roster: its content, and the one text that it has.
///
/// What it says is in the fields of the [`Draft`] that it dereferences to.
#[derive(Clone, PartialEq, Eq)]
pub struct Roster {
    content: Draft,
    text: String,
}

/// A roster and the signatures under it, of which there may be none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRoster {
    roster: Roster,
    note: Note,
}

/// What a roster changes over another. Names ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Who is new.
    pub added: Vec<Name>,
    /// Who is no longer a member: its connections end, its views get new keys.
    pub removed: Vec<Name>,
    /// Who has another identity or HPKE key: as if removed and added.
    pub rekeyed: Vec<Name>,
    /// Who has another role or address, or became or ceased to be a witness.
    pub altered: Vec<Name>,
    /// Whether the keys that sign rosters, or their threshold, are others.
    pub keys: bool,
}

impl Roster {
    /// Checks a draft.
    ///
    /// # Errors
    ///
    /// [`LineError`], with the line of [`Draft::text`] that is wrong.
    pub fn new(draft: &Draft) -> Result<Self, LineError> {
        Self::parse(&draft.text())
    }

    /// Reads the text.
    ///
    /// # Errors
    ///
    /// [`LineError`]: there is exactly one text of each roster.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        Ok(Self {
            content: read(text)?,
            text: text.to_owned(),
        })
    }

    /// The text, which is what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the text, which the next roster names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// What an administrator reads out to whoever is to trust this roster as the first.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.text)
    }

    /// The identity of the member of this name.
    #[must_use]
    pub fn member_id(&self, name: &Name) -> Option<MemberId> {
        let member = self.members.get(name)?;
        Some(MemberId::of(&self.consortium, &member.name))
    }

    /// Whether `version` is one in which indicators of the type named `kind` may be exchanged: that
    /// of the roster, or the one before.
    #[must_use]
    pub fn allows_canonicalisation(&self, kind: &str, version: u8) -> bool {
        self.canonicalisation.get(kind).is_some_and(|&current| {
            version == current || (version > 0 && version.checked_add(1) == Some(current))
        })
    }

    /// What this roster changes over `old`.
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Changes {
        let mut changes = Changes {
            keys: self.keys != old.keys,
            ..Changes::default()
        };
        for (name, member) in &self.members {
            match old.members.get(name) {
                None => changes.added.push(name.clone()),
                Some(old) if old.identity != member.identity || old.hpke != member.hpke => {
                    changes.rekeyed.push(name.clone());
                }
                Some(old) if old != member => changes.altered.push(name.clone()),
                Some(_) => {}
            }
        }
        let gone = |name: &&Name| !self.members.contains_key(*name);
        changes.removed = old.members.keys().filter(gone).cloned().collect();
        changes
    }
}

impl Deref for Roster {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.content
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

impl KeySet {
    /// How many of the keys signed `note`, each counted once.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signature`] where a signature of one of the keys does not hold.
    pub fn signed(&self, note: &Note) -> Result<usize, NoteError> {
        match note.verify(&self.keys) {
            Ok(signers) => Ok(signers.len()),
            Err(NoteError::Unsigned) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl SignedRoster {
    /// A roster that nobody has signed yet.
    ///
    /// # Errors
    ///
    /// [`NoteError`] where the text is too long for a note.
    pub fn unsigned(roster: Roster) -> Result<Self, NoteError> {
        let note = Note::new(roster.text())?;
        Ok(Self { roster, note })
    }

    /// Reads a roster with its signatures, or without any; verifies none.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let note = match Note::parse(bytes) {
            // Without signatures it is a text of its own, with an empty line before each member.
            Err(NoteError::SignatureLine) => {
                Note::new(str::from_utf8(bytes).map_err(|_| NoteError::Text)?)
            }
            parsed => parsed,
        }?;
        let roster = Roster::parse(note.text())?;
        Ok(Self { roster, note })
    }

    /// What is signed.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The note that carries the signatures.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Signs; says whether it did, which it does not for a second time.
    ///
    /// Any key may sign: in the roster that replaces keys it is those of the roster before.
    pub fn sign(&mut self, signer: &Signer) -> bool {
        let signed = self.note.verify(&[signer.note_key()]).is_ok();
        if !signed {
            signer.sign(&mut self.note);
        }
        !signed
    }
}

impl fmt::Display for SignedRoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = self.note.to_string();
        // An unsigned note is its text: the empty line is there to part it from signatures.
        let unsigned = note.strip_suffix('\n').filter(|note| note.ends_with('\n'));
        f.write_str(unsigned.unwrap_or(&note))
    }
}

impl FromStr for WitnessQuorum {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text {
            "more than half" => Ok(Self::MoreThanHalf),
            number => match number.parse() {
                Ok(0) | Err(_) => Err(FormError),
                Ok(number) => Ok(Self::Exactly(number)),
            },
        }
    }
}

impl fmt::Display for WitnessQuorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreThanHalf => f.write_str("more than half"),
            Self::Exactly(number) => number.fmt(f),
        }
    }
}

impl Draft {
    /// The text, which is a roster's if [`Roster::new`] finds nothing wrong with it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{ROSTER}\n");
        let mut line = |field: Field, value: &dyn fmt::Display| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {value}", field.name());
        };
        line(Field::Consortium, &self.consortium);
        line(Field::Number, &self.number);
        line(Field::Previous, &Previous(self.previous));
        line(Field::NotBefore, &Time(self.not_before));
        line(Field::Expires, &Time(self.expires));
        for (set, head, field) in [
            (&self.keys, Field::Signatures, Field::RosterKey),
            (&self.next_keys, Field::NextSignatures, Field::NextKey),
        ] {
            line(head, &KOfN(set.threshold, set.keys.len()));
            let mut keys: Vec<String> = set.keys.iter().map(ToString::to_string).collect();
            keys.sort_unstable();
            keys.iter().for_each(|key| line(field, key));
        }
        line(Field::WitnessQuorum, &self.witness_quorum);
        for (kind, version) in &self.canonicalisation {
            line(Field::Canonicalisation, &Entry(kind, version));
        }
        for (files, field) in [
            (&self.tables, Field::Table),
            (&self.exclusions, Field::Exclusions),
        ] {
            for (name, digest) in files {
                line(field, &Entry(name, digest));
            }
        }
        for member in self.members.values() {
            text.push('\n');
            member.write(true, &mut text);
        }
        text
    }
}

fn read(text: &str) -> Result<Draft, LineError> {
    let mut lines = Lines::new(ROSTER, text)?;
    let mut keys = Keys::default();
    let consortium = lines.value(Field::Consortium)?;
    let number = lines.value(Field::Number)?;
    if number == 0 {
        return Err(lines.error(Field::Number, Fault::Value));
    }
    let Previous(previous) = lines.value(Field::Previous)?;
    if previous.is_none() != (number == 1) {
        return Err(lines.error(Field::Previous, Fault::Value));
    }
    let (not_before, expires) = read_lifetime(&mut lines, MAX_ROSTER_LIFETIME)?;
    let signing = read_keys(&mut lines, &mut keys, Field::Signatures, Field::RosterKey)?;
    let next_keys = read_keys(&mut lines, &mut keys, Field::NextSignatures, Field::NextKey)?;
    let witness_quorum = lines.value(Field::WitnessQuorum)?;
    let unreachable = lines.error(Field::WitnessQuorum, Fault::Quorum);
    let canonicalisation = read_map(&mut lines, Field::Canonicalisation, |kind: TypeName| kind.0)?;
    if canonicalisation.values().any(|&version: &u8| version == 0) {
        return Err(lines.error(Field::Canonicalisation, Fault::Value));
    }
    let tables = read_map(&mut lines, Field::Table, |name: Name| name)?;
    let exclusions = read_map(&mut lines, Field::Exclusions, |name: Name| name)?;
    let mut members: BTreeMap<Name, Member> = BTreeMap::new();
    while !lines.at_end() {
        lines.blank()?;
        let first_line = lines.number() + 1;
        let member = Member::read(true, &mut lines, &mut keys)?;
        let fault = match members.last_key_value() {
            Some((last, _)) if *last >= member.name => Some(Fault::Order),
            _ if members.len() == MAX_MEMBERS => Some(Fault::TooMany),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(LineError {
                line: first_line,
                field: Field::Member,
                fault,
            });
        }
        members.insert(member.name.clone(), member);
    }
    lines.finish()?;
    let witnesses = members.values().filter(|member| member.witness).count();
    if let WitnessQuorum::Exactly(quorum) = witness_quorum
        && quorum >= witnesses
    {
        return Err(unreachable);
    }
    Ok(Draft {
        consortium,
        number,
        previous,
        not_before,
        expires,
        keys: signing,
        next_keys,
        witness_quorum,
        canonicalisation,
        tables,
        exclusions,
        members,
    })
}

/// Reads `not-before` and `expires`, which is behind it by at most `longest` seconds.
pub(crate) fn read_lifetime(lines: &mut Lines<'_>, longest: u64) -> Result<(u64, u64), LineError> {
    let Time(not_before) = lines.value(Field::NotBefore)?;
    let Time(expires) = lines.value(Field::Expires)?;
    match expires.checked_sub(not_before) {
        Some(lifetime) if (1..=longest).contains(&lifetime) => Ok((not_before, expires)),
        _ => Err(lines.error(Field::Expires, Fault::Lifetime)),
    }
}

fn read_keys(
    lines: &mut Lines<'_>,
    keys: &mut Keys,
    head: Field,
    field: Field,
) -> Result<KeySet, LineError> {
    let KOfN(threshold, count) = lines.value(head)?;
    let wrong_count = lines.error(head, Fault::Threshold);
    let mut set = KeySet {
        threshold,
        keys: Vec::new(),
    };
    let mut last = String::new();
    while let Some(key) = lines.repeated::<RosterKey>(field, set.keys.len(), MAX_KEYS)? {
        let text = key.to_string();
        if text <= last {
            return Err(lines.error(field, Fault::Order));
        }
        lines.signing_key(keys, field, key.0.key())?;
        set.keys.push(key.0);
        last = text;
    }
    if set.keys.len() == count && (1..=count).contains(&threshold) {
        Ok(set)
    } else {
        Err(wrong_count)
    }
}

fn read_map<R: FromStr + fmt::Display, K: Ord, V: FromStr + fmt::Display>(
    lines: &mut Lines<'_>,
    field: Field,
    key: impl Fn(R) -> K,
) -> Result<BTreeMap<K, V>, LineError> {
    let mut map = BTreeMap::new();
    while let Some(Entry(name, value)) =
        lines.repeated::<Entry<R, V>>(field, map.len(), MAX_LIST)?
    {
        let name = key(name);
        if map.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(lines.error(field, Fault::Order));
        }
        map.insert(name, value);
    }
    Ok(map)
}
