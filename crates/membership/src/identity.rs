//! Who is at the other end of a connection (`spec/41-membership.md` §7).

use std::fmt;

use crate::{
    delegation::DelegationError,
    delegations::Delegations,
    roster::Roster,
    values::{Digest, Name},
};

const SCHEME: &str = "blindmatch://";

/// A member of a consortium, as a roster names it.
///
/// Only a [`Roster`] or [`identify`] makes one. It displays as `blindmatch://CONSORTIUM/MEMBER`,
/// which is what certificates say and what protocols use as the identity of a side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    consortium: Name,
    member: Name,
}

/// Why a verified certificate is that of no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not exactly one URI among the subject's alternative names.
    Names {
        /// How many there are.
        found: usize,
    },
    /// The URI is not `blindmatch://CONSORTIUM/MEMBER`, letter by letter.
    Uri,
    /// The URI names another consortium.
    OtherConsortium,
    /// The roster has no such member, or no longer.
    UnknownMember,
    /// No delegation of this member names the key of the certificate, or it is revoked.
    UnknownKey,
    /// The delegation that names the key does not count at this time, or by this roster.
    Delegation(DelegationError),
}

/// The member whose node a verified certificate belongs to, at `now` in seconds of Unix time.
///
/// `uri_sans` are all URI names that the certificate has for its subject, `spki` is its
/// SubjectPublicKeyInfo in DER. That the peer holds the key, and that the certificate is well-formed
/// and in force, has been checked by TLS. Whether the roster is in force is left to the policy: two
/// nodes whose roster has expired still have to meet to pass on the next one.
///
/// # Errors
///
/// [`IdentityError`].
pub fn identify(
    roster: &Roster,
    delegations: &Delegations,
    uri_sans: &[&str],
    spki: &[u8],
    now: u64,
) -> Result<MemberId, IdentityError> {
    let [uri] = uri_sans else {
        return Err(IdentityError::Names {
            found: uri_sans.len(),
        });
    };
    let (consortium, member) = uri
        .strip_prefix(SCHEME)
        .and_then(|rest| rest.split_once('/'))
        .ok_or(IdentityError::Uri)?;
    let consortium: Name = consortium.parse().map_err(|_| IdentityError::Uri)?;
    let member: Name = member.parse().map_err(|_| IdentityError::Uri)?;
    if consortium != roster.consortium {
        return Err(IdentityError::OtherConsortium);
    }
    if !roster.members.contains_key(&member) {
        return Err(IdentityError::UnknownMember);
    }
    let key = Digest::of(spki);
    // A key that is delegated once more, e.g. when a renewal kept it, counts if any of these does.
    let mut error = IdentityError::UnknownKey;
    for delegation in delegations.known(&member) {
        if delegation.keys.tls == key {
            match delegation.check(roster, now) {
                Ok(member) => return Ok(member),
                Err(refused) => error = IdentityError::Delegation(refused),
            }
        }
    }
    Err(error)
}

impl MemberId {
    /// The identity that a roster gives; for the roster and its delegations only.
    pub(crate) fn of(consortium: &Name, member: &Name) -> Self {
        Self {
            consortium: consortium.clone(),
            member: member.clone(),
        }
    }

    /// The consortium.
    #[must_use]
    pub const fn consortium(&self) -> &Name {
        &self.consortium
    }

    /// The name in the roster.
    #[must_use]
    pub const fn member(&self) -> &Name {
        &self.member
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.consortium, self.member)
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names { found } => write!(
                f,
                "the certificate has {found} URI names, and must have exactly one"
            ),
            Self::Uri => write!(f, "the certificate's URI is not {SCHEME}CONSORTIUM/MEMBER"),
            Self::OtherConsortium => f.write_str("the certificate is of another consortium"),
            Self::UnknownMember => f.write_str("the certificate is of no member of the roster"),
            Self::UnknownKey => f.write_str("no delegation of the member names its key"),
            Self::Delegation(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for IdentityError {}
