//! The label of an abuse indicator: what opens on a match (`spec/10-indicators.md` §6).

use std::fmt;

/// Why an indicator is on a member's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not said, or something that has no code here.
    #[default]
    Unspecified = 0,
    /// Unsolicited bulk messages.
    Spam = 1,
    /// Imitating somebody to obtain credentials or payments.
    Phishing = 2,
    /// Hosting or delivering malware.
    Malware = 3,
    /// Command and control of malware or of a botnet.
    CommandAndControl = 4,
    /// Scanning, brute force, exploitation.
    Intrusion = 5,
    /// Denial of service.
    DenialOfService = 6,
    /// Paying with means that are not one's own, chargebacks.
    PaymentFraud = 7,
    /// Taking over the accounts of others.
    AccountTakeover = 8,
    /// Deceiving people into paying (investment, romance, advance fee).
    Scam = 9,
    /// Moving the proceeds of crime.
    MoneyLaundering = 10,
    /// Named by a sanctions authority.
    Sanctions = 11,
    /// Disposable or invented identities at sign-up.
    FakeIdentity = 12,
    /// Reselling or mining against the terms of service.
    ResourceAbuse = 13,
    /// Anonymising infrastructure: proxies, VPN exits, Tor.
    Anonymiser = 14,
    /// Surveillance of individuals by mercenary spyware.
    Spyware = 15,
}

/// Whose identifier it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Not known.
    #[default]
    Unknown = 0,
    /// The abuser's own.
    Actor = 1,
    /// A customer's whose account, card or machine was taken over.
    Victim = 2,
    /// Somebody's who resells the service to others.
    Reseller = 3,
}

/// The coded fields of a label: 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelFields {
    /// Why it is listed.
    pub reason: Reason,
    /// 0 (not said) to 10 (worst).
    pub severity: Severity,
    /// Whose it is.
    pub role: Role,
    /// First day seen.
    pub first_seen: Option<Day>,
    /// Last day seen.
    pub last_seen: Option<Day>,
    /// How often it was reported; 65,535 stands for that many or more, 0 for not said.
    pub count: u16,
}

/// 0 (not said) to 10 (worst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

/// A UTC day from 2000-01-01 on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(std::num::NonZeroU16);

/// What opens on a match: a random handle and the coded fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Label {
    /// Names the entry between the two members without naming the indicator.
    pub handle: [u8; 16],
    /// The coded fields.
    pub fields: LabelFields,
}

/// What is wrong with 24 bytes that claim to be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelError {
    /// A reason code that is not in use.
    Reason,
    /// A severity above 10.
    Severity,
    /// A role code that is not in use.
    Role,
    /// Last seen before first seen, or only one of the two.
    Seen,
}

impl Severity {
    /// The severity, or nothing above 10.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= 10 { Some(Self(value)) } else { None }
    }

    /// 0 (not said) to 10 (worst).
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl Day {
    /// 2000-01-01T00:00:00Z in seconds since 1970.
    const EPOCH: i64 = 946_684_800;
    const SECONDS: i64 = 86_400;

    /// The day that holds a moment, in seconds since 1970-01-01 UTC; nothing before 2000 or
    /// after 2179.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let day = seconds
            .checked_sub(Self::EPOCH)?
            .div_euclid(Self::SECONDS)
            .checked_add(1)?;
        Some(Self(u16::try_from(day).ok()?.try_into().ok()?))
    }

    /// Midnight at the beginning of the day, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        Self::EPOCH + (i64::from(self.0.get()) - 1) * Self::SECONDS
    }

    fn code(day: Option<Self>) -> [u8; 2] {
        day.map_or(0, |day| day.0.get()).to_be_bytes()
    }
}

impl Reason {
    /// Every reason, in the order of the codes.
    pub const ALL: [Self; 16] = [
        Self::Unspecified,
        Self::Spam,
        Self::Phishing,
        Self::Malware,
        Self::CommandAndControl,
        Self::Intrusion,
        Self::DenialOfService,
        Self::PaymentFraud,
        Self::AccountTakeover,
        Self::Scam,
        Self::MoneyLaundering,
        Self::Sanctions,
        Self::FakeIdentity,
        Self::ResourceAbuse,
        Self::Anonymiser,
        Self::Spyware,
    ];

    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Spam => "spam",
            Self::Phishing => "phishing",
            Self::Malware => "malware",
            Self::CommandAndControl => "command_and_control",
            Self::Intrusion => "intrusion",
            Self::DenialOfService => "denial_of_service",
            Self::PaymentFraud => "payment_fraud",
            Self::AccountTakeover => "account_takeover",
            Self::Scam => "scam",
            Self::MoneyLaundering => "money_laundering",
            Self::Sanctions => "sanctions",
            Self::FakeIdentity => "fake_identity",
            Self::ResourceAbuse => "resource_abuse",
            Self::Anonymiser => "anonymiser",
            Self::Spyware => "spyware",
        }
    }
}

impl Role {
    /// Every role, in the order of the codes.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Actor, Self::Victim, Self::Reseller];

    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Actor => "actor",
            Self::Victim => "victim",
            Self::Reseller => "reseller",
        }
    }
}

impl Label {
    /// Length of an encoded label in bytes.
    pub const LENGTH: usize = 24;

    /// handle ‖ reason ‖ severity·16 + role ‖ first seen ‖ last seen ‖ count, big-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let fields = &self.fields;
        let [f0, f1] = Day::code(fields.first_seen);
        let [l0, l1] = Day::code(fields.last_seen);
        let [c0, c1] = fields.count.to_be_bytes();
        let reason = fields.reason as u8;
        let severity_role = fields.severity.0 << 4 | fields.role as u8;
        let mut label = [0; Self::LENGTH];
        let (handle, coded) = label.split_at_mut(16);
        handle.copy_from_slice(&self.handle);
        coded.copy_from_slice(&[reason, severity_role, f0, f1, l0, l1, c0, c1]);
        label
    }

    /// Reads an encoded label back.
    ///
    /// # Errors
    ///
    /// A [`LabelError`] that names the first field out of its range.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, LabelError> {
        let [handle @ .., reason, severity_role, f0, f1, l0, l1, c0, c1] = *bytes;
        let day = |code| u16::from_be_bytes(code).try_into().ok().map(Day);
        let fields = LabelFields {
            reason: *Reason::ALL
                .get(usize::from(reason))
                .ok_or(LabelError::Reason)?,
            severity: Severity::new(severity_role >> 4).ok_or(LabelError::Severity)?,
            role: *Role::ALL
                .get(usize::from(severity_role & 15))
                .ok_or(LabelError::Role)?,
            first_seen: day([f0, f1]),
            last_seen: day([l0, l1]),
            count: u16::from_be_bytes([c0, c1]),
        };
        match (fields.first_seen, fields.last_seen) {
            (None, None) => {}
            (Some(first), Some(last)) if first <= last => {}
            _ => return Err(LabelError::Seen),
        }
        Ok(Self { handle, fields })
    }
}

impl fmt::Debug for Label {
    /// Prints the coded fields and not the handle, which names the match between two members.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Label")
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reason => "reason code not in use",
            Self::Severity => "severity above 10",
            Self::Role => "role code not in use",
            Self::Seen => "last seen before first seen, or only one of them",
        })
    }
}

impl std::error::Error for LabelError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        let fields = LabelFields {
            reason: Reason::Phishing,
            severity: Severity(7),
            role: Role::Victim,
            first_seen: Day::from_unix_seconds(946_684_800),
            last_seen: Day::from_unix_seconds(1_767_225_600),
            count: 513,
        };
        Label {
            handle: [0xab; 16],
            fields,
        }
    }

    #[test]
    fn encodes_as_specified() {
        let encoded = label().encode();
        assert_eq!(encoded[..16], [0xab; 16]);
        // 2026-01-01 is the 9,498th day from 2000-01-01 on.
        assert_eq!(encoded[16..], [2, 0x72, 0, 1, 0x25, 0x1a, 2, 1]);
        assert_eq!(Label::decode(&encoded), Ok(label()));
    }

    #[test]
    fn refuses_each_field_out_of_range() {
        for (at, byte, error) in [
            (16, 16, LabelError::Reason),
            (17, 0xb2, LabelError::Severity),
            (17, 0x74, LabelError::Role),
            (18, 0xff, LabelError::Seen),
            (19, 0, LabelError::Seen),
        ] {
            let mut encoded = label().encode();
            encoded[at] = byte;
            assert_eq!(Label::decode(&encoded), Err(error));
        }
    }

    #[test]
    fn days_cover_2000_to_2179() {
        assert_eq!(Day::from_unix_seconds(946_684_799), None);
        assert_eq!(Day::from_unix_seconds(i64::MIN), None);
        assert_eq!(Day::from_unix_seconds(i64::MAX), None);
        let last = Day::EPOCH + 65_535 * Day::SECONDS - 1;
        assert_eq!(
            Day::from_unix_seconds(last).map(Day::unix_seconds),
            Some(last - 86_399)
        );
        assert_eq!(Day::from_unix_seconds(last + 1), None);
    }
}
