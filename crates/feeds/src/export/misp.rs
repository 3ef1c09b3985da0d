//! MISP events: an attribute a lead, a sighting a finding (`spec/47-export.md` §4).

use std::io::{self, Write};

use blindmatch_indicator::{Day, IndicatorType};
use serde::Serialize;
use serde_json::json;

use super::{LEAD, Lead, Publisher, Written, ids, moment, tags, type_tag, value};

/// The template of a wallet's object, of MISP's own collection.
const COIN_ADDRESS: (&str, &str) = ("d0e6997e-78da-4815-a6a1-cfc1c1cb8a46", "7");

#[derive(Serialize)]
struct Attribute<'a> {
    uuid: String,
    r#type: &'a str,
    category: &'a str,
    value: &'a str,
    to_ids: bool,
    distribution: &'a str,
    disable_correlation: bool,
    timestamp: String,
    comment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_relation: Option<&'a str>,
    #[serde(rename = "Tag")]
    tags: Vec<Tag>,
    #[serde(rename = "Sighting")]
    sightings: Vec<Sighting>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
}

/// Without an organisation: MISP shows it as anonymous.
#[derive(Serialize)]
struct Sighting {
    uuid: String,
    r#type: &'static str,
    date_sighting: String,
    source: &'static str,
}

pub(super) fn write(
    publisher: &Publisher,
    leads: impl Iterator<Item = Lead> + Clone,
    to: &mut dyn Write,
) -> io::Result<Written> {
    let member = publisher.member.as_bytes();
    let id = |kind| ids::derive(&publisher.key, kind, &[member]).to_string();
    // What readers want to know before the first attribute stands in front, and what comes of all
    // attributes behind.
    let head = json!({
        "uuid": id("event"),
        "info": format!("Matches of {}. {LEAD}", publisher.member),
        "Orgc": {"uuid": id("identity"), "name": publisher.member},
        "Tag": [{"name": format!("tlp:{}", publisher.marking)}],
        "analysis": "1",
        "threat_level_id": "4",
        "distribution": "0",
        "published": false,
    });
    let head = serde_json::to_string(&head)?;
    let head = head.strip_suffix('}').unwrap_or(&head);
    write!(to, "{{\"Event\":{head},\"Attribute\":[")?;
    let mut written = Written::default();
    let mut newest = 0;
    let mut before = "\n";
    for lead in leads.clone() {
        newest = newest.max(lead.last_found());
        let Some(value) = value(&lead.indicator) else {
            written.withheld += 1;
            continue;
        };
        written.indicators += 1;
        written.findings += u64::try_from(lead.findings.len()).unwrap_or(u64::MAX);
        if symbol(lead.indicator.indicator_type()).is_none() {
            to.write_all(before.as_bytes())?;
            serde_json::to_writer(&mut *to, &attribute(publisher, &lead, &value))?;
            before = ",\n";
        }
    }
    to.write_all(b"],\"Object\":[")?;
    let mut before = "\n";
    for lead in leads {
        let symbol = symbol(lead.indicator.indicator_type());
        let (Some(symbol), Some(value)) = (symbol, value(&lead.indicator)) else {
            continue;
        };
        to.write_all(before.as_bytes())?;
        let wallet = wallet(publisher, &lead, symbol, &value);
        serde_json::to_writer(&mut *to, &wallet)?;
        before = ",\n";
    }
    let day = moment(newest);
    let day = day.split('T').next().unwrap_or_default();
    writeln!(to, "],\"date\":\"{day}\",\"timestamp\":\"{newest}\"}}}}")?;
    Ok(written)
}

fn attribute<'a>(publisher: &Publisher, lead: &Lead, value: &'a str) -> Attribute<'a> {
    let kind = lead.indicator.indicator_type();
    let (attribute_type, category) = form(kind);
    let labels = || lead.findings.iter().map(|one| &one.label);
    let mut all = vec![type_tag(kind)];
    all.extend(tags(labels()));
    let sightings = lead.findings.iter().map(|finding| Sighting {
        uuid: publisher.finding_id(&finding.id).to_string(),
        r#type: "0",
        date_sighting: finding.last_found.to_string(),
        source: "",
    });
    Attribute {
        uuid: publisher.indicator_id(&lead.indicator).to_string(),
        r#type: attribute_type,
        category,
        value,
        to_ids: false,
        distribution: "5",
        disable_correlation: false,
        timestamp: lead.last_found().to_string(),
        comment: LEAD,
        first_seen: labels().filter_map(|label| label.first_seen).min().map(day),
        last_seen: labels().filter_map(|label| label.last_seen).max().map(day),
        object_relation: None,
        tags: all.into_iter().map(|name| Tag { name }).collect(),
        sightings: sightings.collect(),
    }
}

/// A wallet: MISP has an attribute of its own for Bitcoin alone.
fn wallet(publisher: &Publisher, lead: &Lead, symbol: &str, value: &str) -> impl Serialize {
    let mut address = attribute(publisher, lead, value);
    address.object_relation = Some("address-crypto");
    let (template, version) = COIN_ADDRESS;
    let of = |part| ids::derive(&publisher.key, part, &[&lead.indicator.encode()]).to_string();
    json!({
        "uuid": of("object"),
        "name": "coin-address",
        "meta-category": "financial",
        "description": "An address used in a cryptocurrency",
        "template_uuid": template,
        "template_version": version,
        "timestamp": address.timestamp,
        "distribution": "5",
        "Attribute": [address, {
            "uuid": of("symbol"),
            "type": "text",
            "category": "Other",
            "object_relation": "symbol",
            "value": symbol,
            "to_ids": false,
            "disable_correlation": true,
            "distribution": "5",
            "timestamp": address.timestamp,
        }],
    })
}

const fn symbol(kind: IndicatorType) -> Option<&'static str> {
    match kind {
        IndicatorType::Eth => Some("ETH"),
        IndicatorType::Tron => Some("TRX"),
        _ => None,
    }
}

/// Type and category, of those that MISP has for each other.
const fn form(kind: IndicatorType) -> (&'static str, &'static str) {
    match kind {
        IndicatorType::Ip | IndicatorType::Network => ("ip-src", "Network activity"),
        IndicatorType::Email => ("email", "Social network"),
        // In one category no value may stand twice, and these may be that of the type above.
        IndicatorType::EmailFolded => ("email", "Payload delivery"),
        IndicatorType::Domain => ("domain", "Network activity"),
        IndicatorType::RegistrableDomain => ("domain", "Payload delivery"),
        IndicatorType::UrlHost => ("hostname", "Network activity"),
        IndicatorType::Url => ("url", "Network activity"),
        IndicatorType::Phone => ("phone-number", "Person"),
        IndicatorType::Iban => ("iban", "Financial fraud"),
        IndicatorType::Btc => ("btc", "Financial fraud"),
        IndicatorType::SshKey => ("ssh-fingerprint", "Network activity"),
        IndicatorType::Asn => ("AS", "Network activity"),
        IndicatorType::Account
        | IndicatorType::Eth
        | IndicatorType::Tron
        | IndicatorType::Ja4
        | IndicatorType::Lei
        | IndicatorType::Pan
        | IndicatorType::CardWeak => ("text", "Other"),
    }
}

fn day(day: Day) -> String {
    let seconds = u64::try_from(day.unix_seconds()).unwrap_or_default();
    moment(seconds)
}
