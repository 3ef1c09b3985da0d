//! STIX 2.1 bundles: an indicator a lead, a sighting a finding (`spec/47-export.md` §3).

use std::io::{self, Write};

use blindmatch_indicator::{IndicatorType, Role};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{LEAD, Lead, Publisher, Tlp, Written, ids, moment, tags, type_tag, value};

/// Of objects that never change.
const SINCE: &str = "2026-01-01T00:00:00.000Z";
/// Of the markings of TLP 2.0, as FIRST and OASIS published them.
const TLP_SINCE: &str = "2022-10-01T00:00:00.000Z";
const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";

#[derive(Serialize)]
struct Indicator<'a> {
    r#type: &'a str,
    spec_version: &'a str,
    id: String,
    created_by_ref: &'a str,
    created: String,
    modified: String,
    name: String,
    description: &'a str,
    indicator_types: Vec<&'a str>,
    pattern: String,
    pattern_type: &'a str,
    valid_from: String,
    labels: Vec<String>,
    object_marking_refs: [&'a str; 1],
}

#[derive(Serialize)]
struct Sighting<'a> {
    r#type: &'a str,
    spec_version: &'a str,
    id: String,
    created_by_ref: &'a str,
    created: String,
    modified: String,
    description: &'a str,
    first_seen: String,
    last_seen: String,
    sighting_of_ref: &'a str,
    where_sighted_refs: [&'a str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    object_marking_refs: [&'a str; 1],
}

pub(super) fn write(
    publisher: &Publisher,
    leads: impl Iterator<Item = Lead>,
    to: &mut dyn Write,
) -> io::Result<Written> {
    let marking = marking(publisher.marking);
    let member = publisher.member.as_bytes();
    let identity = ids::derive(&publisher.key, "identity", &[member]);
    let identity = format!("identity--{identity}");
    to.write_all(b"{\"type\":\"bundle\",\"objects\":[\n")?;
    let mut bundle = Bundle {
        to,
        marking,
        identity: &identity,
        digest: Sha256::new(),
        written: Written::default(),
    };
    bundle.line(&tlp(publisher.marking), "")?;
    bundle.object(&json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": identity,
        "created": SINCE,
        "modified": SINCE,
        "name": publisher.member,
        "identity_class": "organization",
        "object_marking_refs": [marking],
    }))?;
    for lead in leads {
        bundle.lead(publisher, &lead)?;
    }
    let id = ids::derive(&publisher.key, "bundle", &[&bundle.digest.finalize()]);
    writeln!(bundle.to, "\n],\"id\":\"bundle--{id}\"}}")?;
    Ok(bundle.written)
}

struct Bundle<'a> {
    to: &'a mut dyn Write,
    marking: &'static str,
    identity: &'a str,
    /// Over all objects: a bundle has the id of what is in it.
    digest: Sha256,
    written: Written,
}

impl Bundle<'_> {
    fn lead(&mut self, publisher: &Publisher, lead: &Lead) -> io::Result<()> {
        let Some(value) = value(&lead.indicator) else {
            self.written.withheld += 1;
            return Ok(());
        };
        let kind = lead.indicator.indicator_type();
        let id = publisher.indicator_id(&lead.indicator);
        let id = format!("indicator--{id}");
        let days = lead.findings.iter().map(|one| one.label.first_seen);
        let since = days.flatten().min().map(|day| day.unix_seconds());
        let since = since.and_then(|since| u64::try_from(since).ok());
        let mut labels = vec![type_tag(kind)];
        labels.extend(tags(lead.findings.iter().map(|one| &one.label)));
        self.object(&Indicator {
            r#type: "indicator",
            spec_version: "2.1",
            id: id.clone(),
            created_by_ref: self.identity,
            created: moment(lead.first_found()),
            modified: moment(lead.last_found()),
            name: format!("{} that another member lists", kind.name()),
            description: LEAD,
            indicator_types: types(lead),
            pattern: pattern(kind, &value),
            pattern_type: "stix",
            valid_from: moment(since.unwrap_or_else(|| lead.first_found())),
            labels,
            object_marking_refs: [self.marking],
        })?;
        self.written.indicators += 1;
        for finding in &lead.findings {
            let (first, last) = (moment(finding.first_found), moment(finding.last_found));
            self.object(&Sighting {
                r#type: "sighting",
                spec_version: "2.1",
                id: format!("sighting--{}", publisher.finding_id(&finding.id)),
                created_by_ref: self.identity,
                created: first.clone(),
                modified: last.clone(),
                description: LEAD,
                first_seen: first,
                last_seen: last,
                sighting_of_ref: &id,
                where_sighted_refs: [self.identity],
                labels: tags([&finding.label]),
                object_marking_refs: [self.marking],
            })?;
            self.written.findings += 1;
        }
        Ok(())
    }

    fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        self.line(object, ",\n")
    }

    fn line(&mut self, object: &impl Serialize, before: &str) -> io::Result<()> {
        let line = zeroize::Zeroizing::new(serde_json::to_vec(object)?);
        self.digest.update(line.as_slice());
        self.to.write_all(before.as_bytes())?;
        self.to.write_all(&line)
    }
}

/// The pattern that matches a value.
fn pattern(kind: IndicatorType, value: &str) -> String {
    let is = |property: &str, value: &str| format!("[{property} = '{}']", escaped(value));
    match kind {
        IndicatorType::Ip => is(&format!("{}:value", address(value)), value),
        IndicatorType::Network => {
            let object = address(value);
            format!("[{object}:value ISSUBSET '{}']", escaped(value))
        }
        IndicatorType::Email | IndicatorType::EmailFolded => is("email-addr:value", value),
        IndicatorType::Domain | IndicatorType::RegistrableDomain | IndicatorType::UrlHost => {
            is("domain-name:value", value)
        }
        IndicatorType::Url => is("url:value", value),
        IndicatorType::Account => {
            let (platform, name) = value.split_once(':').unwrap_or(("", value));
            let (platform, name) = (escaped(platform), escaped(name));
            format!(
                "[user-account:account_type = '{platform}' AND user-account:user_id = '{name}']"
            )
        }
        IndicatorType::Asn => {
            let number = value.trim_start_matches(|c: char| !c.is_ascii_digit());
            format!("[autonomous-system:number = {number}]")
        }
        IndicatorType::Phone => is("phone-number:number", value),
        IndicatorType::Iban => is("bank-account:iban_number", value),
        IndicatorType::Btc | IndicatorType::Eth | IndicatorType::Tron => {
            is("cryptocurrency-wallet:address", value)
        }
        // STIX has no object for the others.
        other => {
            let object = other.name().replace('_', "-");
            is(&format!("x-blindmatch-{object}:value"), value)
        }
    }
}

fn address(value: &str) -> &'static str {
    if value.contains(':') {
        "ipv6-addr"
    } else {
        "ipv4-addr"
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// Terms of `indicator-type-ov`.
fn types(lead: &Lead) -> Vec<&'static str> {
    let mut types = vec!["malicious-activity"];
    let labels = || lead.findings.iter().map(|one| &one.label);
    if labels().any(|label| label.role == Role::Victim) {
        types.push("compromised");
    }
    types
}

fn tlp(label: Tlp) -> serde_json::Value {
    json!({
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": marking(label),
        "created": TLP_SINCE,
        "name": format!("TLP:{}", label.name().to_uppercase()),
        "extensions": {
            TLP_EXTENSION: {
                "extension_type": "property-extension",
                "tlp_2_0": label.name(),
            },
        },
    })
}

const fn marking(label: Tlp) -> &'static str {
    match label {
        Tlp::Red => "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        Tlp::AmberStrict => "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp::Amber => "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp::Green => "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp::Clear => "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    }
}
