//! One list in MISP's warninglist format.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};
use serde::Deserialize;
use serde_json::error::Category;
use sha2::{Digest, Sha256};

use super::{ExclusionError, ExclusionList};
use crate::misp::indicator_types;

const MOST_BYTES: usize = 64 << 20;

/// Types that a name may be.
const NAMES: [IndicatorType; 3] = [
    IndicatorType::Domain,
    IndicatorType::RegistrableDomain,
    IndicatorType::UrlHost,
];
const ADDRESSES: [IndicatorType; 2] = [IndicatorType::Ip, IndicatorType::Network];
const MAILBOXES: [IndicatorType; 2] = [IndicatorType::Email, IndicatorType::EmailFolded];

pub(super) struct List {
    pub(super) about: ExclusionList,
    pub(super) entries: Vec<Entry>,
}

/// What an entry of a list excludes.
pub(super) enum Entry {
    /// Addresses from the first to the last.
    V4(u32, u32),
    /// Addresses from the first to the last.
    V6(u128, u128),
    /// A canonical name and what lies below it.
    Name(Box<[u8]>),
    /// This indicator.
    Value(Indicator),
}

/// The format. MISP's lists may have further keys.
#[derive(Deserialize)]
struct Warninglist<'j> {
    name: String,
    description: String,
    version: u64,
    #[serde(borrow, rename = "type")]
    list_type: Cow<'j, str>,
    #[serde(borrow)]
    list: Vec<Cow<'j, str>>,
    #[serde(default, borrow)]
    matching_attributes: Vec<Cow<'j, str>>,
}

pub(super) fn parse(json: &[u8], canonicaliser: &Canonicaliser) -> Result<List, ExclusionError> {
    if json.len() > MOST_BYTES {
        return Err(ExclusionError::TooLong);
    }
    let text = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let list: Warninglist<'_> = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => ExclusionError::NotAWarninglist { line, column },
            _ => ExclusionError::NotJson { line, column },
        }
    })?;
    let types = types(&list.matching_attributes);
    let is_for = |these: &[IndicatorType]| {
        let narrowed = types.as_ref();
        narrowed.is_none_or(|types| these.iter().any(|one| types.contains(one)))
    };
    let read: &dyn Fn(&str) -> Vec<Entry> = match list.list_type.as_ref() {
        "cidr" if is_for(&ADDRESSES) => &|text| block(text).into_iter().collect(),
        "hostname" if is_for(&NAMES) => &|text| name(text, canonicaliser).into_iter().collect(),
        "string" => &|text| values(text, types.as_ref(), canonicaliser),
        "cidr" | "hostname" => return Err(ExclusionError::NothingUsable),
        "substring" => return Err(ExclusionError::Substring),
        "regex" => return Err(ExclusionError::Regex),
        _ => return Err(ExclusionError::UnknownType),
    };
    let mut entries = Vec::new();
    let (mut used, mut unusable) = (0, 0);
    for text in &list.list {
        let found = read(text.trim());
        *(if found.is_empty() {
            &mut unusable
        } else {
            &mut used
        }) += 1;
        entries.extend(found);
    }
    if entries.is_empty() {
        return Err(ExclusionError::NothingUsable);
    }
    let about = ExclusionList {
        name: list.name,
        description: list.description,
        version: list.version,
        sha256: Sha256::digest(json).into(),
        entries: used,
        unusable,
    };
    Ok(List { about, entries })
}

/// The types to which a list is narrowed; nothing where it is not.
fn types(attributes: &[Cow<'_, str>]) -> Option<HashSet<IndicatorType>> {
    if attributes.is_empty() {
        return None;
    }
    let named = attributes
        .iter()
        .flat_map(|attribute| indicator_types(attribute));
    Some(named.flat_map(|one| family(one).iter().copied()).collect())
}

/// The types of indicator whose values are written as those of `one` are. A `pan` would be
/// compared by its hash, and an account without platform is nobody's.
const fn family(one: IndicatorType) -> &'static [IndicatorType] {
    match one {
        IndicatorType::Ip | IndicatorType::Network => &ADDRESSES,
        IndicatorType::Domain | IndicatorType::RegistrableDomain | IndicatorType::UrlHost => &NAMES,
        IndicatorType::Email | IndicatorType::EmailFolded => &MAILBOXES,
        IndicatorType::Phone => &[IndicatorType::Phone],
        IndicatorType::Url => &[IndicatorType::Url],
        IndicatorType::CardWeak => &[IndicatorType::CardWeak],
        IndicatorType::Iban => &[IndicatorType::Iban],
        IndicatorType::Btc => &[IndicatorType::Btc],
        IndicatorType::Eth => &[IndicatorType::Eth],
        IndicatorType::Tron => &[IndicatorType::Tron],
        IndicatorType::SshKey => &[IndicatorType::SshKey],
        IndicatorType::Ja4 => &[IndicatorType::Ja4],
        IndicatorType::Asn => &[IndicatorType::Asn],
        IndicatorType::Lei => &[IndicatorType::Lei],
        IndicatorType::Pan | IndicatorType::Account => &[],
    }
}

/// A CIDR block or one address. Unlike an indicator, it may be of any length and hold addresses
/// that are not global, and its host bits are not looked at.
fn block(text: &str) -> Option<Entry> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            (
                address,
                Some(length.parse::<u32>().ok().filter(|_| digits)?),
            )
        }
    };
    let v4 = |address: Ipv4Addr, length: u32| {
        let host_bits = u32::MAX.unbounded_shr(length);
        let first = address.to_bits() & !host_bits;
        (length <= 32).then_some(Entry::V4(first, first | host_bits))
    };
    match address.parse().ok()? {
        IpAddr::V4(address) => v4(address, length.unwrap_or(32)),
        IpAddr::V6(address) => {
            let length = length.unwrap_or(128);
            // As an indicator, an IPv4-mapped address is the IPv4 address.
            if let (Some(mapped), Some(length)) = (address.to_ipv4_mapped(), length.checked_sub(96))
            {
                return v4(mapped, length);
            }
            let host_bits = u128::MAX.unbounded_shr(length);
            let first = address.to_bits() & !host_bits;
            (length <= 128).then_some(Entry::V6(first, first | host_bits))
        }
    }
}

/// A name, also with the dot or the `*.` that some lists write before it.
fn name(text: &str, canonicaliser: &Canonicaliser) -> Option<Entry> {
    let text = text.strip_prefix('*').unwrap_or(text);
    let text = text.strip_prefix('.').unwrap_or(text);
    let name = canonicaliser.parse(IndicatorType::Domain, text).ok()?;
    Some(Entry::Name(name.as_bytes().into()))
}

/// A text as each of the types that it may be.
fn values(
    text: &str,
    types: Option<&HashSet<IndicatorType>>,
    canonicaliser: &Canonicaliser,
) -> Vec<Entry> {
    let parse = |one: &IndicatorType| canonicaliser.parse(*one, text).ok();
    let found: Vec<_> = match types {
        Some(types) => types.iter().filter_map(parse).collect(),
        // Its form shows one type, and it counts for all that are written so.
        None => match canonicaliser.detect(text) {
            Ok(one) => family(one.indicator_type())
                .iter()
                .filter_map(parse)
                .collect(),
            Err(_) => Vec::new(),
        },
    };
    found.into_iter().map(Entry::Value).collect()
}
