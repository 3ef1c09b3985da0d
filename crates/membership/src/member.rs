//! Members and the cards by which they introduce themselves (`spec/41-membership.md` §4).

use std::fmt::{self, Write};

use blindmatch_audit::{
    SigningKey, VerifyingKey,
    note::{KeyName, Note, NoteError, NoteKey},
};

use crate::{
    text::{Fault, Field, Keys, LineError, Lines, ReadError},
    values::{Address, HpkeKey, Name, PublicKey, Role, YesNo},
    words::Fingerprint,
};

const CARD: &str = "blindmatch card v1";

/// One organisation of a consortium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, one of a kind in the roster.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// Whether it cosigns the ledgers of the others. Only the roster says so: a card does not.
    pub witness: bool,
    /// Where its node listens.
    pub address: Address,
    /// Its identity, which signs delegations and is kept offline.
    pub identity: VerifyingKey,
    /// What secrets of the consortium are sealed to.
    pub hpke: HpkeKey,
}

/// What a member says of itself, signed with its identity key: whoever holds a card knows that
/// the signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    member: Member,
    note: Note,
}

impl Member {
    /// The fingerprint of this member's card, of which the roster holds all that is on it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.card_text())
    }

    fn card_text(&self) -> String {
        let mut text = format!("{CARD}\n");
        self.write(false, &mut text);
        text
    }

    /// Appends the lines of this member, with or without that about the witness.
    pub(crate) fn write(&self, with_witness: bool, text: &mut String) {
        let mut line = |field: Field, value: &dyn fmt::Display| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {value}", field.name());
        };
        line(Field::Member, &self.name);
        line(Field::Role, &self.role);
        if with_witness {
            line(Field::Witness, &YesNo(self.witness));
        }
        line(Field::Address, &self.address);
        line(Field::IdentityKey, &PublicKey(self.identity));
        line(Field::HpkeKey, &self.hpke);
    }

    /// Reads what [`Self::write`] writes.
    pub(crate) fn read(
        with_witness: bool,
        lines: &mut Lines<'_>,
        keys: &mut Keys,
    ) -> Result<Self, LineError> {
        let name = lines.value(Field::Member)?;
        let role = lines.value(Field::Role)?;
        let witness = with_witness && lines.value::<YesNo>(Field::Witness)?.0;
        if witness && role != Role::Provider {
            return Err(lines.error(Field::Witness, Fault::Witness));
        }
        let address = lines.value(Field::Address)?;
        let PublicKey(identity) = lines.value(Field::IdentityKey)?;
        lines.signing_key(keys, Field::IdentityKey, &identity)?;
        let hpke: HpkeKey = lines.value(Field::HpkeKey)?;
        lines.key(keys, Field::HpkeKey, &hpke.0)?;
        Ok(Self {
            name,
            role,
            witness,
            address,
            identity,
            hpke,
        })
    }

    /// The identity as a key of notes, under the name of the member.
    pub(crate) fn note_key(&self) -> Result<NoteKey, NoteError> {
        Ok(NoteKey::new(
            KeyName::new(self.name.as_str())?,
            self.identity,
        ))
    }
}

impl Card {
    /// Signs the card of `member` with its identity key. Whether it is a witness is not on it.
    ///
    /// # Errors
    ///
    /// [`ReadError`] as in [`Self::read`], e.g. where `identity` is not the key of `member`.
    pub fn sign(member: &Member, identity: &SigningKey) -> Result<Self, ReadError> {
        let mut note = Note::new(&member.card_text())?;
        note.sign(&KeyName::new(member.name.as_str())?, identity);
        Self::read(note.to_string().as_bytes())
    }

    /// Reads a card and checks its signature.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with the line that is wrong or what is wrong with the signature.
    pub fn read(card: &[u8]) -> Result<Self, ReadError> {
        let note = Note::parse(card)?;
        let mut lines = Lines::new(CARD, note.text())?;
        let member = Member::read(false, &mut lines, &mut Keys::default())?;
        lines.finish()?;
        note.verify(&[member.note_key()?])?;
        Ok(Self { member, note })
    }

    /// Who it is; never a witness.
    #[must_use]
    pub const fn member(&self) -> &Member {
        &self.member
    }

    /// What the member reads out to whoever is to trust this card.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.member.fingerprint()
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
